"""The DAG on a real SLURM: from data to plots, and what happens to jobs that are ended early."""

import re
import shutil
import signal
import subprocess
import time

import pytest

from tests.integration.conftest import ROOT, TARGET
from tests.slurm.cluster import GPU_NODES, wait_until
from tests.slurm.conftest import COMMAND, STEPS

pytestmark = pytest.mark.slurm
STATE = "checkpoints/last.ckpt"


def test_the_whole_dag_is_submitted(lab) -> None:
    output = lab.snakemake(TARGET)
    assert (lab.folder / TARGET).stat().st_size > 0
    assert not re.search("Error|Trying to restart", output)
    jobs = [job for job in lab.cluster.jobs("COMPLETED")]
    on_gpu = [job["about"] for job in jobs if job["partition"] == "gpu"]
    assert sum("train_" in about for about in on_gpu) == 4
    rules = [job["about"].split("_wildcards_")[0] for job in jobs if job["partition"] != "gpu"]
    assert not any("train_" in rule or "predict" in rule for rule in rules)
    assert "Nothing to be done" in lab.snakemake(TARGET)


def test_short_videos_share_a_submission_for_each_step(lab) -> None:
    videos = lab.film("tiny", 2)
    lab.set_site(together=2)
    targets = [f"results/tiny/cropzoom_0_1.8/video_preds/{name}/predictions_metrics.csv" for name in videos]
    output = lab.snakemake(*targets)
    lab.set_site(together=1)
    assert not re.search("Error|Trying to restart", output)
    jobs = lab.cluster.jobs("COMPLETED")
    for step, is_on_gpu in (("predict_cropzoom_video", True), ("measure_video", False)):
        [job] = [job for job in jobs if step in job["about"]]
        assert (job["partition"] == "gpu") == is_on_gpu
    assert all((lab.folder / target).is_file() for target in targets)


def megabytes(job) -> int:
    """Return the memory that a job was given; SLURM writes whole gigabytes with a G."""
    number, unit = job["memory"][:-1], job["memory"][-1]
    return int(float(number) * {"M": 1, "G": 1024}[unit])


def test_a_training_that_is_cancelled_and_then_timed_out_ends_with_the_same_weights(lab, undisturbed) -> None:
    lab.add_dataset("ended")
    model = "results/ended/single_0"
    run = lab.start(*COMMAND, f"{model}/model.safetensors")
    first = lab.hold_training(model)
    lab.cluster.say("scancel", first["id"])
    lab.wait_for_state(model, "interrupted")
    second = lab.hold_training(model)
    assert second["id"] != first["id"]
    assert megabytes(second) == 2 * megabytes(first)
    lab.cluster.say("scontrol", "update", f"JobId={second['id']}", "EndTime=now")
    output = lab.finish(run)
    assert "SLURM status is: 'CANCELLED'" in output and "SLURM status is: 'TIMEOUT'" in output
    assert re.search(rf"going on from step \d+ of {STEPS}", lab.log_of("ended"))
    assert lab.weights(model) == undisturbed


def test_a_job_that_fails_is_reported_with_the_end_of_its_log(lab) -> None:
    shutil.copytree(lab.folder / "data" / "tiny", lab.folder / "data" / "damaged")
    rows = (lab.folder / "data" / "damaged" / "CollectedData_merged.csv").read_text().splitlines()
    image = lab.folder / "data" / "damaged" / rows[3].split(",")[0]
    lab.add_dataset("damaged", max_steps=3)
    config = lab.folder / "config" / "damaged.yaml"
    config.write_text(config.read_text().replace("data/tiny", "data/damaged"))
    image.write_bytes(b"no image")
    failing = "results/damaged/single_0/model.safetensors"
    well = "results/damaged/data/CollectedData_merged_new.csv/images.json"
    output = lab.snakemake(failing, well, "--restart-times", "1", code=1)
    assert output.count("SLURM status is: 'FAILED'") == 2
    log = (lab.folder / "results/damaged/logs/index_images.CollectedData_merged.csv.log").read_text()
    assert image.name in log and log.strip().splitlines()[-1] in output
    assert (lab.folder / well).is_file()


def test_a_node_that_goes_down_costs_no_training(lab, undisturbed) -> None:
    lab.add_dataset("lost", checkpoint_every_s=0)
    model = "results/lost/single_0"
    run = lab.start(*COMMAND, f"{model}/model.safetensors")
    job = lab.hold_training(model, needs=STATE)
    lab.cluster.lose_node(job["node"])
    try:
        lab.finish(run)
    finally:
        lab.cluster.start_node(job["node"])
    [done] = [own for own in lab.cluster.jobs("COMPLETED") if own["about"] == job["about"]]
    assert done["node"] != job["node"]
    assert "going on from step" in lab.log_of("lost")
    assert lab.weights(model) == undisturbed
    wait_until(lambda: lab.cluster.states() == ["idle"] * 3, 60, "the node's return")


def test_two_gpus_are_shared_by_four_trainings(lab) -> None:
    lab.add_dataset("four", max_steps=10)
    models = [f"results/four/single_{seed}" for seed in range(4)]
    run = lab.start(*COMMAND, *(f"{model}/model.safetensors" for model in models))
    seen = []
    while run.poll() is None:
        seen.append([job["node"] for job in lab.cluster.jobs("RUNNING") if "train_detector" in job["about"]])
        time.sleep(0.2)
    lab.finish(run)
    assert max(len(nodes) for nodes in seen) == 2
    assert all(len(nodes) == len(set(nodes)) for nodes in seen)
    assert {node for nodes in seen for node in nodes} == set(GPU_NODES)
    assert len({lab.weights(model) for model in models}) == 4


def documented_recovery(target: str) -> list[str]:
    """Return the commands of docs/cluster.md, for this target."""
    text = (ROOT / "docs" / "cluster.md").read_text()
    section = text[text.index("## After Snakemake was killed") :]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    return [line.replace("results/mouse/ood_plots.pdf", target) for line in lines]


def test_after_snakemake_was_killed_the_documented_commands_recover_everything(lab, undisturbed) -> None:
    lab.add_dataset("killed")
    model = "results/killed/single_0"
    target = f"{model}/model.safetensors"
    run = lab.start("python", str(ROOT / "tests/slurm/run_snakemake.py"), *COMMAND[1:], target)
    job = lab.hold_training(model)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert lab.training_job() == job
    cancel, *rest = documented_recovery(target)
    assert len(rest) == 2
    subprocess.run(cancel, shell=True, env=lab.environment, check=True, timeout=60)
    wait_until(lambda: not lab.cluster.jobs(), 90, "the end of the jobs")
    outputs = [lab.finish(lab.start("bash", "-c", command)) for command in rest]
    assert "train_detector" in outputs[-1] and "index_images" not in outputs[-1]
    assert "going on from step" in lab.log_of("killed")
    assert lab.weights(model) == undisturbed
    assert "Nothing to be done" in lab.snakemake(target)
