"""Environments that Snakemake brings itself: stand-ins for conda and apptainer, which need not be there."""

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, command_of, lay_out
from tests.warm.commands import warm_commands

pytestmark = pytest.mark.slow

FIRST = "results/tiny/data/prepared.txt"

# Answers as conda 25 does. An environment is a python whose pip installs nothing, and a litpose that tells
# where it was called.
CONDA = """#!/bin/sh
echo "$*" >> {folder}/asked
case "$*" in
    "info --json") echo '{{"conda_prefix": "{folder}", "platform": "linux-64"}}' ;;
    --version) echo "conda 25.9.1" ;;
    "clean -y --tarballs") ;;
    "config --get channel_priority --json") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
    "env create --quiet --no-default-packages --file "*" --prefix "*)
        mkdir -p "$8/bin" && cp {folder}/environment/* "$8/bin" ;;
    *) exit 2 ;;
esac
"""
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'  # sourced, as conda's own
PYTHON = '#!/bin/sh\necho "$0 $*" >> {folder}/installed\n'
LITPOSE = """#!/bin/sh
echo "$0 $*" >> {folder}/called
echo "$PYTHONPATH" >> {folder}/code
exec {litpose} "$@"
"""
# Runs what it is told, as apptainer 1 does: with the image's commands, another home, and the variables as
# they are.
APPTAINER = """#!/bin/sh
echo "$*" >> {folder}/asked
if test "$*" = --version; then echo "apptainer version 1.4.2"; exit; fi
test "$1 $2" = "exec --home" && export HOME="$3" && shift 3
while test "$1" = --bind; do shift 2; done
test -f "$1" || exit 255
shift
PATH={folder}/environment:/usr/bin:/bin exec "$@"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in which nothing has run."""
    folder = tmp_path / "project"
    folder.mkdir()
    lay_out(folder, "tiny", (ROOT / "tests" / "fixtures" / "tiny.yaml").read_text())
    return folder


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder with the stand-ins, and a litpose outside of environments that fails."""
    folder = tmp_path / "stand_ins"
    names = {"folder": shlex.quote(str(folder)), "litpose": shlex.quote(str(warm_commands() / "litpose"))}
    programs = {
        "conda": CONDA,
        "apptainer": APPTAINER,
        "litpose": "#!/bin/sh\nexit 9\n",
        "bin/activate": ACTIVATE,
        "environment/python": PYTHON,
        "environment/litpose": LITPOSE,
    }
    for name, text in programs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**names))
        path.chmod(stat.S_IRWXU)
    return folder


def run(project: Path, stand_ins: Path, *arguments: str) -> str:
    """Run snakemake, with the stand-ins before everything else."""
    command, environment = command_of(*arguments)
    environment["PATH"] = f"{stand_ins}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def created_environments(project: Path, stand_ins: Path) -> dict[str, str]:
    """Return the folders that conda was asked to make environments in, by the file in envs/ they are of."""
    found = {}
    for line in lines_of(stand_ins / "asked"):
        if " create " in line:
            file, folder = re.search(r" --file (\S+) --prefix (\S+)$", line).groups()
            content = Path(file).read_bytes()
            (name,) = [
                path.name for path in (project / "envs").glob("*.yaml") if path.read_bytes() == content
            ]
            assert name not in found, "made twice"
            found[name] = folder
    return found


def installed(stand_ins: Path, folder: str) -> list[str]:
    """Return what the pip of an environment was told to install."""
    pip = f"{folder}/bin/python -m pip install --quiet "
    return [line.removeprefix(pip) for line in lines_of(stand_ins / "installed") if line.startswith(pip)]


def test_conda_makes_the_environment_and_jobs_run_in_it(project: Path, stand_ins: Path) -> None:
    run(project, stand_ins, "--sdm", "conda", "--", FIRST)
    made = created_environments(project, stand_ins)
    assert list(made) == ["environment.yaml"]
    folder = made["environment.yaml"]
    assert Path(folder).parent == project / ".snakemake" / "conda"
    pins = project / "envs" / "constraints.txt"
    torch = next(line for line in lines_of(pins) if line.startswith("torch=="))
    told = [f"--constraint {pins} {torch}", f"--constraint {pins} --editable {project}"]
    assert installed(stand_ins, folder) == told
    (called,) = lines_of(stand_ins / "called")
    assert called.startswith(f"{folder}/bin/litpose create_demo_data ")
    assert (project / FIRST).read_text() == "1\n"

    (stand_ins / "asked").unlink()
    (project / FIRST).unlink()
    run(project, stand_ins, "--sdm", "conda", "--", FIRST)
    assert not created_environments(project, stand_ins), "it is there already"


def test_the_smoother_gets_an_environment_of_its_own(project: Path, stand_ins: Path) -> None:
    config = project / "config" / "tiny.yaml"
    config.write_text(config.read_text().replace("workflow:\n", "workflow:\n  videos: [a.mp4]\n"))
    run(project, stand_ins, "--sdm", "conda", "--conda-create-envs-only", "smoothed")
    made = created_environments(project, stand_ins)
    assert made.keys() == {"environment.yaml", "eks.yaml"}
    requirements = project / "envs" / "eks-requirements.txt"
    told = [f"--requirement {requirements}", f"--no-deps --editable {project}"]
    assert installed(stand_ins, made["eks.yaml"]) == told


def test_apptainer_runs_jobs_in_the_image_with_the_code_of_the_project(
    project: Path, stand_ins: Path
) -> None:
    image = project / "envs" / "cropzoom.sif"
    image.touch()
    there = set(os.listdir(project))
    run(project, stand_ins, "--sdm", "apptainer", "--", FIRST)
    version, asked = lines_of(stand_ins / "asked")[:2]
    assert version == "--version"
    assert asked.startswith(f"exec --home {project} ") and " envs/cropzoom.sif bash -c " in asked
    (called,) = lines_of(stand_ins / "called")
    assert called.startswith(f"{stand_ins}/environment/litpose create_demo_data ")
    assert lines_of(stand_ins / "code")[0].split(os.pathsep)[0] == str(project)
    assert (project / FIRST).read_text() == "1\n"
    assert set(os.listdir(project)) - there <= {"data", "results", ".snakemake"}


def test_another_image_is_taken_where_one_is_named(project: Path, stand_ins: Path) -> None:
    image = stand_ins / "other.sif"
    image.touch()
    run(project, stand_ins, "--sdm", "apptainer", "--config", f"container={image}", "--", FIRST)
    assert f" {image} bash -c " in lines_of(stand_ins / "asked")[1]
