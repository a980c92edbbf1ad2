"""The profiles of clusters: what each job would ask for, and a job through a stand-in for a scheduler."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import ROOT, TARGET, lay_out

pytestmark = pytest.mark.slow

ON_GPU = {"train_detector", "train_pose", "predict_detector", "predict_pose"}
ON_CPU = {"prepare_data", "index_images", "create_bbox", "crop_images", "score", "plot_ood"}
SITES = {
    "slurm": {"account": "birdlab", "cpu_partition": "batch", "gpu_partition": "gpu", "gpu_model": "a100"},
    "cluster": {"system": "pbs", "queue": "workq", "gpu_queue": "gpuq"},
    "kubernetes": {"gpu": True},
}
LIMITS = {"max_threads": 3, "max_mem_mb": 3000}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in which nothing has run."""
    lay_out(tmp_path, "tiny", (ROOT / "tests" / "fixtures" / "tiny.yaml").read_text())
    return tmp_path


def set_site(project: Path, profile: str, **values: object) -> None:
    path = project / "workflow" / "profiles" / profile / "site.yaml"
    site = yaml.safe_load(path.read_text())
    assert values.keys() <= site.keys()
    path.write_text(yaml.safe_dump(site | values))


def snakemake(project: Path, profile: str, *arguments: str, path: str = "") -> str:
    environment = {**os.environ, "PATH": f"{path}{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "snakemake", "--profile", f"workflow/profiles/{profile}", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def asked_for(output: str) -> dict[str, dict[str, str]]:
    """Return the threads and resources that a dry run names for the jobs of each rule."""
    found: dict[str, dict[str, str]] = {}
    for block in re.split(r"^ *(?:rule|checkpoint) ", output, flags=re.MULTILINE)[1:]:
        name = block[: block.index(":")]
        resources = re.search(r"^ *resources: (.*)$", block, re.MULTILINE)
        threads = re.search(r"^ *threads: (\d+)$", block, re.MULTILINE)
        own = dict(text.split("=", 1) for text in resources[1].split(", ")) if resources else {}
        found[name] = own | {"threads": threads[1] if threads else "1"}
    return found


@pytest.mark.parametrize("profile", SITES)
def test_steps_ask_for_what_the_site_has(project: Path, profile: str) -> None:
    set_site(project, profile, **SITES[profile], **LIMITS)
    output = snakemake(project, profile, TARGET, "--dry-run")
    assert "Group job posed" in output
    asked = asked_for(output)
    assert asked.keys() >= ON_GPU | ON_CPU
    assert {name for name in ON_GPU | ON_CPU if asked[name].get("gpu", "0") == "1"} == ON_GPU
    assert all(int(own["mem_mb"]) <= 3000 and int(own["threads"]) <= 3 for own in asked.values())
    assert int(asked["train_detector"]["mem_mb"]) > int(asked["create_bbox"]["mem_mb"])
    if profile == "slurm":
        assert {asked[name]["slurm_partition"] for name in ON_GPU | {"remap"}} == {"gpu"}
        assert {asked[name]["slurm_partition"] for name in ON_CPU} == {"batch"}
        assert {own["slurm_account"] for own in asked.values()} == {"birdlab"}
        assert {asked[name]["gpu_model"] for name in ON_GPU} == {"a100"}


@pytest.mark.parametrize("profile", SITES)
def test_without_gpus_nothing_asks_for_one(project: Path, profile: str) -> None:
    set_site(
        project,
        profile,
        **{key: None for key in ("gpu_partition", "gpu_queue", "gpu") if key in site(profile)},
    )
    asked = asked_for(snakemake(project, profile, TARGET, "--dry-run"))
    assert all(own.get("gpu", "0") == "0" and "slurm_partition" not in own for own in asked.values())


def site(profile: str) -> dict[str, object]:
    """Return the site file that ships."""
    return yaml.safe_load((ROOT / "workflow" / "profiles" / profile / "site.yaml").read_text())


def test_predictions_on_short_videos_share_a_submission_where_the_site_says_so(project: Path) -> None:
    config = project / "config" / "tiny.yaml"
    config.write_text(config.read_text().replace("workflow:\n", "workflow:\n  videos: [a.mp4, b.mp4]\n"))
    assert "Group job predict_cropzoom_video" not in snakemake(project, "slurm", "videos", "--dry-run")
    set_site(project, "slurm", together=3)
    shared = snakemake(project, "slurm", "videos", "video_metrics", "--dry-run")
    for rule in ("predict_cropzoom_video", "measure_video"):  # on two videos by two members
        assert shared.count(f"rule {rule}:") == 4 and shared.count(f"Group job {rule}") == 2


def test_trainings_ask_for_more_where_there_is_more_to_do(project: Path) -> None:
    config = project / "config" / "tiny.yaml"
    few = asked_for(snakemake(project, "slurm", TARGET, "--dry-run"))["train_pose"]
    config.write_text(config.read_text().replace("train_batch_size: 4", "train_batch_size: 256"))
    many = asked_for(snakemake(project, "slurm", TARGET, "--dry-run"))["train_pose"]
    assert int(many["mem_mb"]) > int(few["mem_mb"])


STAND_INS = {
    # runs what it is given, and keeps its exit code where qacct looks for it
    "qsub": """for script; do :; done
echo "$@" >> {folder}/asked
(sh "$script" > /dev/null 2>&1; echo $? > {folder}/ended) &
echo 17""",
    "qstat": "test ! -e {folder}/ended",
    "qacct": 'printf "failed       0\\nexit_status  %s\\n" "$(cat {folder}/ended)"',
}


def test_a_job_goes_through_a_scheduler(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("sge")
    for name, text in STAND_INS.items():
        (folder / name).write_text("#!/bin/sh\n" + text.format(folder=folder) + "\n")
        (folder / name).chmod(0o755)
    set_site(project, "cluster", options="-P birdlab", queue="all.q", max_threads=2)
    output = snakemake(project, "cluster", "results/tiny/data/prepared.txt", path=f"{folder}:")
    assert "with external jobid '17'" in output
    assert (project / "results/tiny/data/prepared.txt").read_text() == "1\n"
    asked = (folder / "asked").read_text()
    assert "-pe smp 2 -l h_rt=4200,h_vmem=2000M -q all.q -P birdlab" in asked
