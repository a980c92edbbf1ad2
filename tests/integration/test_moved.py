"""Moved, copied and linked folders, wrong clocks, two runs at once: no needless work, no change missed."""

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.conftest import TARGET, command_of, planned, snakemake
from tests.integration.test_staleness import (
    CHANGES,
    EVERYTHING,
    IND,
    change_label,
    first_image,
)

pytestmark = pytest.mark.slow

DAY_S = 86400


def all_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts)


def set_times(paths: list[Path], seconds: float) -> None:
    for path in paths:
        os.utime(path, (time.time() + seconds,) * 2)


def test_a_moved_project_is_left_alone(finished, tmp_path) -> None:
    shutil.copytree(finished, tmp_path / "elsewhere", symlinks=True)
    assert planned(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("seed", range(3))
def test_copies_with_new_times_in_any_order_are_left_alone(project, seed) -> None:
    dice = random.Random(seed)
    for path in all_files(project):
        set_times([path], -dice.uniform(0, 100 * DAY_S))
    assert planned(project) == {}


def test_what_was_written_in_the_future_is_left_alone(project) -> None:
    set_times(all_files(project / "results"), DAY_S)
    assert planned(project) == {}


@pytest.mark.parametrize("change", ["label", "labelled image", "OOD image", "pose training", "colour",
                                    "detector weights"])  # fmt: skip
def test_a_change_is_seen_though_the_clock_was_set_back(project, change) -> None:
    """What is changed now is older, by its time, than everything made before."""
    set_times([*all_files(project / "results"), *all_files(project / "data")], DAY_S)
    act, expected = CHANGES[change]
    act(project)
    assert planned(project) == expected


@pytest.mark.parametrize("change", ["label", "labelled image", "OOD image"])
def test_a_file_that_was_put_back_with_its_old_time_is_seen(project, change) -> None:
    act, expected = CHANGES[change]
    files = all_files(project / "data")
    set_times(files, -100 * DAY_S)
    assert planned(project) == {}
    act(project)
    set_times(files, -100 * DAY_S)
    assert planned(project) == expected


def test_other_rights_of_files_are_no_matter(project) -> None:
    for path in all_files(project / "data"):
        path.chmod(0o644 if path.stat().st_mode & 0o777 != 0o644 else 0o600)
    assert planned(project) == {}


def test_linked_data_and_results_are_the_same(project, tmp_path) -> None:
    for name in ("data", "results"):
        shutil.move(project / name, tmp_path / f"disk {name}")
        (project / name).symlink_to(tmp_path / f"disk {name}")
    assert planned(project) == {}
    change_label(project)
    assert planned(project) == {"index_images": 1, **EVERYTHING}


def test_images_that_are_links_inside_the_data_are_followed(project) -> None:
    image = first_image(project, IND)
    kept = image.with_name(f"kept_{image.name}")
    image.rename(kept)
    image.symlink_to(kept.name)
    assert planned(project) == {}
    time.sleep(0.01)
    kept.write_bytes(kept.read_bytes()[:-2] + b"\x00\xff\xd9")
    assert planned(project) == {"index_images": 1, **EVERYTHING}


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command, environment = command_of(*arguments)
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(what, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_of_two_runs_at_once_the_second_says_so_and_nothing_is_lost(project) -> None:
    """The second begins while the first holds the folder's lock, or is at work on the last files."""
    pose, own = project / "results/tiny/pose_0_1.8", f"image_preds/cropped_{IND}"
    gone = [pose / "model.safetensors", pose / own / "predictions.csv",
            pose / own / "remapped_predictions.csv", project / TARGET]  # fmt: skip
    before = {path: path.read_bytes() for path in gone}
    for path in gone:
        path.unlink()
    first = start(project, TARGET)
    wait_for(lambda: any((project / ".snakemake/locks").glob("*")) or first.poll() is not None)
    second = snakemake(project, TARGET)
    output = first.communicate()[0]
    assert first.returncode == 0, output[-4000:]
    told = second.stdout + second.stderr
    assert second.returncode != 0 and ("lock" in told or "Incomplete files" in told)
    assert {path: path.read_bytes() for path in gone} == before
    assert planned(project) == {}
