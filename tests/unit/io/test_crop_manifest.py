"""Crops that are missing or not what was written, and manifests that are."""

import hashlib
import os

import pytest

from lightning_pose.io.crop_manifest import (
    MANIFEST,
    crops_dir,
    damaged_crops,
    examine_crops,
    manifest_of_video,
    not_as_cropped,
    write_manifest,
)
from lightning_pose.types import UserError

CROP = b"12345"
LATER = 10  # seconds


@pytest.fixture
def manifest(tmp_path):
    """Write a crop and its manifest; return the manifest's path."""

    def write():
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / "a.png").write_bytes(CROP)
        entry = {"files": {"a.png": 5}, "sha256": {"a.png": hashlib.sha256(CROP).hexdigest()}}
        content = {"crop_size": [8, 8], "images_dir": "images", "source": "l.csv", "crops": {"a.jpg": entry}}
        write_manifest(content, tmp_path / MANIFEST)
        return tmp_path / MANIFEST

    return write


def change_later(path, content):
    path.write_bytes(content)
    time = path.stat().st_mtime + LATER
    os.utime(path, (time, time))
    return path.stat().st_mtime_ns


def test_whole_crops(manifest) -> None:
    path = manifest()
    assert damaged_crops(path) == []
    change_later(path.parent / "images" / "a.png", CROP)
    assert damaged_crops(path) == []  # only its time is another


def test_no_manifest_no_damage(tmp_path) -> None:
    assert damaged_crops(tmp_path / MANIFEST) == []


def test_missing_cut_and_changed_crops_are_found(manifest) -> None:
    path = manifest()
    crop = path.parent / "images" / "a.png"
    for damage in (crop.unlink, lambda: crop.write_bytes(b"12"), lambda: change_later(crop, b"12346")):
        damage()
        assert damaged_crops(path) == [str(crop)]
        assert damaged_crops(manifest()) == []


def test_labels_of_crops_that_are_others_are_told_of(manifest) -> None:
    path = manifest()
    csv, frames, folder = path.parent / "cropped_l.csv", path.parent / "l.csv", path.parent / "images"
    assert not_as_cropped(csv, folder) == []
    change_later(path.parent / "images" / "a.png", b"12346")
    (problem,) = not_as_cropped(csv, folder)
    assert problem.where.endswith("a.png")
    assert not_as_cropped(frames, folder) == [] and not_as_cropped(csv, path.parent) == []


def test_a_damaged_manifest_is_found(manifest) -> None:
    path = manifest()
    path.write_text("{")
    assert damaged_crops(path) == [str(path)]


def test_crops_that_were_seen_whole_are_not_read_again(manifest) -> None:
    path = manifest()
    newest = change_later(path.parent / "images" / "a.png", CROP)
    assert examine_crops(path) == ([], newest)
    (path.parent / "images" / "a.png").write_bytes(b"12346")
    os.utime(path.parent / "images" / "a.png", ns=(newest, newest))
    assert examine_crops(path, newest) == ([], newest) and damaged_crops(path) != []


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


def test_a_manifest_that_tells_no_source_is_damaged(manifest) -> None:
    path = manifest()
    path.write_text('{"crop_size": [8, 8], "crops": {}}')
    assert crops_dir(path.parent / "l.csv") is None
    with pytest.raises(UserError, match=r"crops\.json: expected the manifest of the crops of cropped_l"):
        crops_dir(path.parent / "cropped_l.csv")
