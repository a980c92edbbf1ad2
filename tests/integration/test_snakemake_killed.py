"""Snakemake itself is killed, with its jobs or without: the documented restart ends with the same files."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import TARGET, planned, snakemake
from tests.integration.test_moved import wait_for
from tests.integration.test_staleness import first_crop, set_in_config
from tests.reliability.bench import left_behind, processes_of

pytestmark = pytest.mark.slow

SECONDS = 120


def change(project: Path) -> None:
    """Make everything after the crops stale, and one crop."""
    set_in_config("max_steps: 3", "max_steps: 40")(project)
    first_crop(project).unlink()


def tables_and_weights(project: Path) -> dict[str, bytes]:
    """Return what results are; without times and what made them."""
    results = project / "results/tiny"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.suffix in (".csv", ".safetensors", ".png")
    }


@pytest.fixture(scope="module")
def whole(finished, tmp_path_factory) -> dict[str, bytes]:
    """What an undisturbed run ends with."""
    copy = tmp_path_factory.mktemp("whole") / "project"
    shutil.copytree(finished, copy, symlinks=True)
    change(copy)
    done = snakemake(copy, TARGET)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return tables_and_weights(copy)


def start(project: Path) -> subprocess.Popen:
    """Start snakemake in a session of its own, with jobs that are its children."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--cores", "8", TARGET]
    with open(project / "killed.txt", "w") as said:
        return subprocess.Popen(
            command, cwd=project, env=environment, stdout=said, stderr=said, start_new_session=True
        )


@pytest.mark.parametrize("with_jobs", [True, False])
@pytest.mark.parametrize("log", ["train_detector.single_0.log", "predict_pose.pose_0_1.8.*new.csv.log"])
def test_the_same_files_after_the_documented_restart(project, whole, log, with_jobs) -> None:
    """Killed as a job begins to say something, that is, while it runs; jobs that are left go on meanwhile."""
    change(project)
    shutil.rmtree(project / "results/tiny/logs")
    first = start(project)
    wait_for(lambda: list((project / "results/tiny/logs").glob(log)))
    (os.killpg if with_jobs else os.kill)(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert with_jobs or any("litpose" in job for job in processes_of(first.pid))
    assert snakemake(project, "--unlock").returncode == 0
    again = snakemake(project, TARGET)
    assert again.returncode == 0, again.stdout[-4000:] + again.stderr[-4000:]
    assert not left_behind(first.pid, SECONDS)
    assert tables_and_weights(project) == whole
    assert planned(project) == {}
