"""What jobs took, as Snakemake's files say."""

import math

from lightning_pose.io.benchmarks import JobCost, read_benchmarks

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_rules_times_and_memory(tmp_path) -> None:
    (tmp_path / "score" / "single_0").mkdir(parents=True)
    (tmp_path / "train_pose.pose_0_1.8.tsv").write_text(
        f"{HEADER}61.5\t0:01:01\t812.25\t2000\t700\t710\t1\t2\t180.00\t120.5\n"
    )
    (tmp_path / "score" / "single_0" / "predictions.tsv").write_text(
        f"{HEADER}0.25\t0:00:00\tNA\t-\t-\t-\t-\t-\t-\t-\n"
    )
    (tmp_path / "plot_ood.tsv").write_text(HEADER)  # of a job that was killed
    (tmp_path / "notes.txt").write_text("s\n3\n")
    scored, trained = read_benchmarks(tmp_path)
    assert trained == JobCost("train_pose", 61.5, 812.25, 120.5)
    assert (scored.rule, scored.seconds) == ("score", 0.25)
    assert math.isnan(scored.memory_mb) and math.isnan(scored.cpu_seconds)


def test_repeated_jobs_and_no_folder(tmp_path) -> None:
    (tmp_path / "a.b.tsv").write_text(f"{HEADER}1\t\t\t\t\t\t\t\t\t\n2\t\t\t\t\t\t\t\t\t\n")
    assert [(own.rule, own.seconds) for own in read_benchmarks(tmp_path)] == [("a", 1.0), ("a", 2.0)]
    assert read_benchmarks(tmp_path / "elsewhere") == []


def test_what_is_no_table_is_passed_over(tmp_path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"\xff\x00\n\x80")
    (tmp_path / "b.tsv").write_text("")
    assert read_benchmarks(tmp_path) == []
