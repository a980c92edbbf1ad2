"""The demo again, in another folder: the same bytes, also if snakemake is killed meanwhile and restarted.

RELIABILITY_FULL makes all attempts; without it, one run.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, TARGET, lay_out, planned, snakemake
from tests.integration.test_moved import wait_for
from tests.reliability.bench import FULL, left_behind, processes_of

pytestmark = pytest.mark.slow

SECONDS = 120
# as this log appears, the jobs too
KILLS = [("train_detector.single_0.log", False)]
if FULL:
    KILLS += [("crop_images.1_1.8.*.log", True), ("predict_pose.pose_0_1.8.*new.csv.log", False)]
WITH_TIMES = ("provenance.json", "train_status.json", "origin.json")
WITHOUT_RESULTS = ("logs", "benchmarks", "tb_logs")


def results_of(project: Path) -> dict[str, bytes]:
    """Return every file of the results that times do not belong into."""
    results = project / "results/tiny"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.name not in WITH_TIMES
        and not any(part in WITHOUT_RESULTS for part in path.parts)
        and not path.name.startswith(".")
    }  # fmt: skip


def assert_same(project: Path, whole: Path) -> None:
    found, expected = results_of(project), results_of(whole)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    assert sum(name.endswith(".csv") for name in found) > 20


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder in which nothing has run."""
    lay_out(tmp_path, "tiny", (ROOT / "tests" / "fixtures" / "tiny.yaml").read_text())
    return tmp_path


def start(project: Path) -> subprocess.Popen:
    """Start snakemake in a session of its own, with jobs that are its children."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--cores", "8", TARGET]
    with open(project / "killed.txt", "w") as said:
        return subprocess.Popen(
            command, cwd=project, env=environment, stdout=said, stderr=said, start_new_session=True
        )


@pytest.mark.skipif(not FULL, reason="the run below shows it, too")
def test_the_demo_twice(finished, empty) -> None:
    done = snakemake(empty, TARGET)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert_same(empty, finished)


@pytest.mark.parametrize(("log", "with_jobs"), KILLS)
def test_snakemake_killed(finished, empty, log, with_jobs) -> None:
    """As a job begins, with the jobs or without: these go on, and the documented restart waits for them."""
    first = start(empty)
    wait_for(lambda: list((empty / "results/tiny/logs").glob(log)) or first.poll() is not None)
    (os.killpg if with_jobs else os.kill)(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, (empty / "killed.txt").read_text()[-4000:]
    assert with_jobs or any("litpose" in job for job in processes_of(first.pid))
    assert snakemake(empty, "--unlock").returncode == 0
    again = snakemake(empty, TARGET, "--rerun-incomplete")
    assert again.returncode == 0, again.stdout[-4000:] + again.stderr[-4000:]
    assert not left_behind(first.pid, SECONDS)
    assert_same(empty, finished)
    assert planned(empty) == {}
