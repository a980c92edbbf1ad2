"""Imports run downhill, and light commands stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_pose
from lightning_pose.cli.main import COMMANDS

ROOT = Path(lightning_pose.__file__).parent
LEVELS = {
    "types": 0, "machine": 0, "settings": 0, "settings_checks": 0, "config": 0, "fingerprint": 0,
    "traces": 0, "sweep": 0, "yaml_bombs": 0, "backbone_names": 0,
    "io": 1, "geometry": 1,
    "data": 2, "models": 2, "losses": 2,
    "training": 3, "inference": 3, "evaluation": 3,
    "cli": 4,
}  # fmt: skip


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lightning_pose."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("lightning_pose.")}
    return names


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downhill(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    above = [name for name in imports(path) if own in LEVELS and LEVELS[name] > LEVELS[own]]
    assert not above
    if own == "models":
        assert "data" not in imports(path)
    if own == "losses":
        assert not imports(path) & {"data", "training", "models"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lightning_pose.cli.main", name, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "usage: litpose" in done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "create_bbox",
        "smooth_bbox",
        "remap",
        "check",
        "score",
        "convert",
        "crop",
        "index_images",
        "merge",
        "label_video",
        "gallery",
        "export_fiftyone",
        "report",
    ],
)
def test_light_commands_do_not_import_torch(name: str) -> None:
    from lightning_pose.fingerprint import module_file, reachable

    for module in reachable(f"lightning_pose.cli.{name}"):
        tree = ast.parse(module_file(module).read_text())
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(
                found.split(".")[0] in ("torch", "pytorch_lightning", "timm") for found in names
            ), module
