"""The environments (pip, conda, Docker, Apptainer) agree: one Python, the same pins, one way to install."""

import hashlib
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
SCRIPT = "environment.post-deploy.sh"
RECIPES = ("Dockerfile", "cropzoom.def")


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ENVS / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normalized(name): version for name, version in pairs}


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [
        *project["dependencies"],
        *(text for own in project["optional-dependencies"].values() for text in own),
    ]


def python_version() -> str:
    conda = yaml.safe_load((ENVS / "environment.yaml").read_text())
    (found,) = [text for text in conda["dependencies"] if isinstance(text, str) and text.startswith("python")]
    return found.partition("=")[2]


@pytest.mark.parametrize("requirement", requirements())
def test_every_dependency_is_pinned_within_what_the_project_asks_for(requirement: str) -> None:
    name, bounds = re.fullmatch(r"([\w.-]+)\s*(.*)", requirement).groups()
    version = pins()[normalized(name)]
    for bound in filter(None, bounds.split(",")):
        operator, limit = re.fullmatch(r"(==|>=|<)(.+)", bound).groups()
        own, other = ([int(part) for part in text.split(".")] for text in (version, limit))
        assert {"==": own == other, ">=": own >= other, "<": own < other}[operator]


def test_conda_has_the_pins_of_today() -> None:
    text = (ENVS / "environment.yaml").read_text()
    digest = hashlib.sha256((ENVS / "constraints.txt").read_bytes()).hexdigest()
    assert f"# constraints.txt: sha256 {digest}\n" in text, "constraints.txt changed: update environment.yaml"
    packages = yaml.safe_load(text)["dependencies"]
    assert packages == [f"python={python_version()}", "pip"], "pip installs the rest, by the script"


@pytest.mark.parametrize("recipe", RECIPES)
def test_containers_have_the_same_python_and_install_by_the_script(recipe: str) -> None:
    text = (ENVS / recipe).read_text()
    (image,) = re.findall(r"^(?:FROM|From:)\s*(\S+)", text, re.MULTILINE)
    assert image == f"python:{python_version()}-slim-bookworm"
    assert f"bash {'' if recipe == 'Dockerfile' else '/opt/cropzoom/'}envs/{SCRIPT}" in text
    assert "pip install" not in text
    for needed in ("pyproject.toml", "README.md", "LICENSE", "envs", "lightning_pose"):
        assert needed in text and (ROOT / needed).exists()


def test_make_and_pyproject_want_the_same_python() -> None:
    assert f"PYTHON ?= python{python_version()}\n" in (ROOT / "Makefile").read_text()
    assert f"envs/{SCRIPT}" in (ROOT / "Makefile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"].startswith(f">={python_version()}")


def test_the_project_may_lie_in_a_folder_with_blanks(tmp_path: Path) -> None:
    folder = tmp_path / "with blanks"
    for name in ("pyproject.toml", "envs/constraints.txt", f"envs/{SCRIPT}", ".venv/ready"):  # newest last
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$RELIABILITY_REPORT"\n')
    python.chmod(0o755)
    command = ["make", "--silent", "--makefile", ROOT / "Makefile", "reliability"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.stdout == f"{folder}/results/reliability.json\n", done.stderr


@pytest.mark.parametrize(("extras", "wanted"), [(None, ""), ("cluster,dev", "[cluster,dev]")])
def test_the_script_installs_from_anywhere_and_torch_first(tmp_path: Path, extras, wanted) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{tmp_path}/calls"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "CROPZOOM_SOURCE": str(ROOT)}
    environment |= {} if extras is None else {"CROPZOOM_EXTRAS": extras}
    subprocess.run(["bash", str(ENVS / SCRIPT)], cwd=tmp_path, env=environment, check=True)
    install = f"-m pip install --quiet --constraint {ENVS / 'constraints.txt'}"
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"{install} torch=={pins()['torch']}",
        f"{install} --editable {ROOT}{wanted}",
    ]


def commands() -> dict[str, str]:
    """Return the text of each rule with a command; `use rule` takes another's, environment and all."""
    found = {}
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        _, *parts = re.split(r"^(?:rule|checkpoint) (\w+):$", file.read_text(), flags=re.MULTILINE)
        found |= dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: text for name, text in found.items() if "    shell:" in text}


def test_every_command_of_the_workflow_has_an_environment() -> None:
    named = {
        name: re.findall(r'    conda:\n +"../../envs/(\w+)\.yaml"', text) for name, text in commands().items()
    }
    assert len(named) > 20
    assert named.pop("smooth_video") == ["eks"]
    assert [name for name, own in named.items() if own != ["environment"]] == []


def test_the_smoother_has_an_environment_of_its_own_pinned_in_full() -> None:
    text = (ENVS / "eks.yaml").read_text()
    digest = hashlib.sha256((ENVS / "eks-requirements.txt").read_bytes()).hexdigest()
    assert f"# eks-requirements.txt: sha256 {digest}\n" in text, (
        "eks-requirements.txt changed: update eks.yaml"
    )
    assert yaml.safe_load(text)["dependencies"] == [f"python={python_version()}", "pip"]
    lines = [line for line in (ENVS / "eks-requirements.txt").read_text().splitlines() if line[:1] not in "#"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    names = {normalized(line.split("==")[0]) for line in lines}
    assert {"ensemble-kalman-smoother", "jax", "jaxlib", "numpy", "pyarrow"} <= names
    assert "ensemble-kalman-smoother" not in pins() and "jax" not in pins()
