"""Comments, docstrings and formatting do not count; code does, in imported modules too."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

import lightning_pose
from lightning_pose import fingerprint as original


@pytest.fixture
def copy(tmp_path: Path):
    """A copy of the package's sources, and a function that takes the fingerprint there."""
    root = tmp_path / "lightning_pose"
    shutil.copytree(Path(lightning_pose.__file__).parent, root)

    def take(module: str) -> str:
        spec = importlib.util.spec_from_file_location("fingerprint_copy", root / "fingerprint.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded.fingerprint(module)

    return root, take


def test_copy_has_the_same_fingerprint(copy) -> None:
    _, take = copy
    assert take("lightning_pose.cli.crop") == original.fingerprint("lightning_pose.cli.crop")


@pytest.mark.parametrize(
    ("change", "counts"),
    [("\n# a comment\n", False), ("\nEXTRA = 1\n", True), ("\n\n\n", False)],
)
def test_what_counts(copy, change: str, counts: bool) -> None:
    root, take = copy
    before = take("lightning_pose.cli.crop")
    file = root / "geometry" / "crop_space.py"
    file.write_text(file.read_text() + change)
    assert (take("lightning_pose.cli.crop") != before) is counts


def test_docstrings_do_not_count(copy) -> None:
    root, take = copy
    before = take("lightning_pose.cli.crop")
    file = root / "data" / "crops.py"
    file.write_text(file.read_text().replace("Crop labelled images around", "Cut labelled images around", 1))
    assert take("lightning_pose.cli.crop") == before


def test_other_commands_are_not_touched(copy) -> None:
    root, take = copy
    before = take("lightning_pose.cli.crop")
    file = root / "evaluation" / "plots.py"
    file.write_text(file.read_text() + "\nEXTRA = 1\n")
    assert take("lightning_pose.cli.crop") == before
    assert take("lightning_pose.cli.plot_ood") != original.fingerprint("lightning_pose.cli.plot_ood")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "litpose" / "sources"


def test_sources_are_parsed_once(copy, cache, monkeypatch) -> None:
    _, take = copy
    first = take("lightning_pose.cli.crop")
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr("ast.parse", None)
    assert take("lightning_pose.cli.crop") == first


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": [1, 2]}', "\x00"])
def test_a_damaged_cache_is_made_anew(copy, cache, content) -> None:
    _, take = copy
    first = take("lightning_pose.cli.crop")
    file = next(cache.iterdir())
    whole = file.read_text()
    file.write_text(content)
    assert take("lightning_pose.cli.crop") == first
    assert set(json.loads(whole)) <= set(json.loads(file.read_text()))


def test_a_cache_that_cannot_be_written_to_is_done_without(copy, cache) -> None:
    _, take = copy
    cache.parent.mkdir(parents=True)
    cache.write_text("in the way")
    assert take("lightning_pose.cli.crop") == original.fingerprint("lightning_pose.cli.crop")
