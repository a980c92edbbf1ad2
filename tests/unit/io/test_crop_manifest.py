"""A name for the crops that there are, which changes with damage and settles once it is mended."""

import json

import pytest

from lightning_pose.io.crop_manifest import (
    MANIFEST,
    crops_dir,
    damaged_crops,
    manifest_of_video,
    next_generation,
)
from lightning_pose.types import UserError


@pytest.fixture
def manifest(tmp_path):
    """Write a crop and its manifest of a generation; return the manifest's path."""

    def write(generation="1"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / "a.png").write_bytes(b"12345")
        content = {"crop_size": [8, 8], "images_dir": "images", "source": "l.csv", "generation": generation}
        content["crops"] = {"a.jpg": {"files": {"a.png": 5}}}
        (tmp_path / MANIFEST).write_text(json.dumps(content))
        return tmp_path / MANIFEST

    return write


def test_whole_crops_keep_their_generation(manifest) -> None:
    assert next_generation(manifest()) == "1"
    assert next_generation(manifest("7f")) == "7f"


def test_nothing_yet_is_the_first_generation(tmp_path) -> None:
    assert next_generation(tmp_path / MANIFEST) == "1"


@pytest.mark.parametrize("damage", ["delete", "truncate", "manifest"])
def test_damage_makes_another_that_settles_once_mended(manifest, damage) -> None:
    path = manifest()

    def break_it():
        if damage == "manifest":
            path.write_text("{")
        elif damage == "delete":
            (path.parent / "images" / "a.png").unlink()
        else:
            (path.parent / "images" / "a.png").write_bytes(b"12")

    break_it()
    planned = next_generation(path)
    assert damaged_crops(path) and planned != "1"
    assert next_generation(path) == planned
    assert next_generation(manifest(planned)) == planned
    break_it()
    assert damage == "manifest" or next_generation(path) != planned  # the same damage again is new damage


def test_crops_are_found_by_the_name_of_their_labels(manifest) -> None:
    path = manifest()
    assert crops_dir(path.parent / "cropped_l.csv") == path.parent / "images"
    assert crops_dir(path.parent / "l.csv") is None


@pytest.mark.parametrize("content", [b"", b'{"crop_size": [8', b"[]"])
def test_crops_whose_manifest_is_damaged_are_not_taken_for_whole_images(manifest, content) -> None:
    """The images have the same names, so that frames would be found in their place."""
    path = manifest()
    path.write_bytes(content)
    assert crops_dir(path.parent / "l.csv") is None and manifest_of_video(path.parent / "l.mp4") is None
    for find, name in ((crops_dir, "cropped_l.csv"), (manifest_of_video, "cropped_l.mp4")):
        with pytest.raises(UserError, match=r"crops\.json: expected the manifest of the crops of cropped_l"):
            find(path.parent / name)
    path.unlink()
    assert crops_dir(path.parent / "cropped_l.csv") is None
