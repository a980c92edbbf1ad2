"""A project on a cluster of three nodes; trainings in it are long enough to be interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from lightning_pose.io.video_writer import write_video
from tests.integration.conftest import ROOT, lay_out
from tests.slurm.cluster import Cluster, wait_until, why_not

COMMAND = ("snakemake", "--profile", "workflow/profiles/slurm")
SITE = {"gpu_partition": "gpu", "max_threads": 2, "max_mem_mb": 6000, "status_seconds": 2, "retries": 2}
TINY = ROOT / "tests" / "fixtures" / "tiny.yaml"
STEPS = 80  # of a training that is interrupted: some seconds


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave this folder out unless it is asked for."""
    return None if "slurm" in config.option.markexpr else True


class Lab:
    """A project, and the cluster it runs on."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        bin_dir = Path(sys.executable).parent
        path = f"{cluster.folder}/bin:{bin_dir}:{cluster.environment['PATH']}"
        self.environment = {**cluster.environment, "PATH": path, "PYTHONPATH": str(ROOT)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in the project."""
        return subprocess.Popen(
            arguments, cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def snakemake(self, *targets: str, code: int = 0) -> str:
        """Run the DAG; return what Snakemake says."""
        return self.finish(self.start(*COMMAND, *targets), code)

    def finish(self, process: subprocess.Popen[str], code: int = 0) -> str:
        """Wait for a command, and return what it says."""
        output = process.communicate(timeout=900)[0]
        assert process.returncode == code, output[-6000:] + self.step_logs()
        return output

    def step_logs(self) -> str:
        """Return the ends of the logs of failed jobs."""
        logs = sorted((self.folder / ".snakemake" / "slurm_logs").rglob("*.log"))
        return "\n".join(f"== {path}\n{path.read_text()[-1500:]}" for path in logs)

    def add_dataset(self, name: str, **training: object) -> None:
        """Add a data set of the images that there are, whose detectors take a while to train."""
        config = yaml.safe_load(TINY.read_text())
        del config["workflow"]["data"]
        config["training"] |= {
            "max_steps": STEPS,
            "check_val_every_n_epoch": 50,
            "checkpoint_every_s": 1e6,
        }
        config["training"] |= training
        (self.folder / "config" / f"{name}.yaml").write_text(yaml.safe_dump(config))

    def film(self, name: str, count: int) -> list[str]:
        """Add short videos to a data set that is there, and return the names of their files."""
        path = self.folder / "config" / f"{name}.yaml"
        config = yaml.safe_load(path.read_text())
        config["workflow"].pop("data", None)
        videos = [f"film{number}.mp4" for number in range(count)]
        for video in videos:
            with write_video(
                self.folder / config["data"]["data_dir"] / video, (96, 128), np.arange(4) / 30
            ) as writer:
                for _ in range(4):
                    writer.write(np.zeros((96, 128, 3), np.uint8))
        config["workflow"]["videos"] = videos
        path.write_text(yaml.safe_dump(config))
        return videos

    def set_site(self, **values: object) -> None:
        """Change what the cluster has and allows."""
        path = self.folder / "workflow" / "profiles" / "slurm" / "site.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))

    def status_of(self, model: str) -> dict[str, object]:
        """Return how far a training is; nothing before its first step."""
        try:
            return json.loads((self.folder / model / "train_status.json").read_text())
        except (OSError, ValueError):
            return {}

    def wait_for_state(self, model: str, state: str) -> None:
        """Wait until a training is or ends as it says itself."""
        is_so = lambda: self.status_of(model).get("state") == state  # noqa: E731
        wait_until(is_so, 300, f"{model}: {state}{self.step_logs()}")

    def training_job(self) -> dict[str, str]:
        """Return the one training that runs."""
        [job] = [job for job in self.cluster.jobs("RUNNING") if "train_detector" in job["about"]]
        return job

    def hold_training(self, model: str, needs: str = "train_status.json") -> dict[str, str]:
        """Stop a training in the middle, however fast this machine is, and return its job.

        SLURM wakes the processes of jobs that it ends, as it does with those that a debugger stopped.
        """
        self.wait_for_state(model, "training")
        wait_until((self.folder / model / needs).is_file, 60, needs)
        job = self.training_job()
        for process in self.cluster.processes(SLURM_JOB_ID=job["id"]):
            if "train" in process.cmdline():
                process.suspend()
        assert self.status_of(model)["state"] == "training"
        return job

    def weights(self, model: str) -> bytes:
        """Return a trained model's weights."""
        return (self.folder / model / "model.safetensors").read_bytes()

    def log_of(self, dataset: str) -> str:
        """Return the log of a detector's training, as its last job wrote it."""
        return (self.folder / f"results/{dataset}/logs/train_detector.single_0.log").read_text()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a SLURM for all tests, and stop it."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    own = Cluster(tmp_path_factory.mktemp("slurm") / "run")
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.fixture(scope="session")
def lab(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Lay out a project whose data is there."""
    folder = tmp_path_factory.mktemp("lab")
    lay_out(folder, "tiny", TINY.read_text())
    own = Lab(folder, cluster)
    own.set_site(**SITE)
    command = ("litpose", "create_demo_data", "data/tiny", "--ind_frames", "12", "--ood_frames", "6")
    own.finish(own.start(*command, "--video_frames", "0"))
    return own


@pytest.fixture(scope="session")
def undisturbed(lab: Lab) -> bytes:
    """Train without a cluster; the weights that interrupted trainings are to end with."""
    command = ("litpose", "train", "config/undisturbed.yaml", "--kind", "detector", "--skip_predict")
    command += ("--output_dir", "undisturbed", "--overrides", "training.rng_seed_model_pt=0")
    lab.environment["OMP_NUM_THREADS"] = "2"
    lab.add_dataset("undisturbed")
    lab.finish(lab.start(*command))
    del lab.environment["OMP_NUM_THREADS"]
    return lab.weights("undisturbed")
