"""One real tiny run of the DAG, shared by the tests, each of which works on a copy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.warm.commands import warm_commands

ROOT = Path(__file__).parents[2]
TARGET = "results/tiny/ood_plots.pdf"


def command_of(
    *arguments: str, package: Path | None = None, cores: int = 8
) -> tuple[list[str], dict[str, str]]:
    """Return a snakemake command and its environment, with the package of this checkout or a copy of it."""
    environment = dict(os.environ)
    python = Path(sys.executable)
    folders = [python.parent]
    if package is None:
        folders.insert(0, warm_commands())
    else:
        environment["PYTHONPATH"] = str(package)
    environment["PATH"] = os.pathsep.join([*map(str, folders), environment["PATH"]])
    program = [str(folders[0] / "snakemake")] if package is None else [str(python), "-m", "snakemake"]
    return [*program, "--cores", str(cores), *arguments], environment


def snakemake(folder: Path, *arguments: str, package: Path | None = None) -> subprocess.CompletedProcess:
    """Run snakemake in a folder, with the package of this checkout or a copy of it."""
    command, environment = command_of(*arguments, package=package)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def planned(folder: Path, package: Path | None = None, targets: Sequence[str] = (TARGET,)) -> dict[str, int]:
    """Return the rules that a dry run would run, with the number of jobs."""
    done = snakemake(folder, *targets, "--dry-run", package=package)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    if "Nothing to be done" in output:
        return {}
    lines = output[output.index("Job stats:") :].splitlines()[3:]
    jobs = {}
    for line in lines:
        name, _, count = line.partition(" ")
        if name == "total" or not count.strip().isdigit():
            break
        jobs[name] = int(count)
    return jobs


def lay_out(folder: Path, dataset: str, config: str) -> None:
    """Put the workflow and the config of one data set into a folder."""
    shutil.copy(ROOT / "Snakefile", folder)
    for part in ("workflow", "envs"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "profiles", folder, follow_symlinks=False)
    (folder / "config").mkdir()
    (folder / "config" / f"{dataset}.yaml").write_text(config)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny DAG has run."""
    folder = tmp_path_factory.mktemp("dag")
    lay_out(folder, "tiny", (ROOT / "tests" / "fixtures" / "tiny.yaml").read_text())
    done = snakemake(folder, TARGET)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished folder, times kept."""
    copy = tmp_path / "project"
    shutil.copytree(finished, copy, symlinks=True)
    return copy
