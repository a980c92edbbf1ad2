"""Which frames stand around a labelled one, and that a network gets them all moved alike."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lightning_pose.data.augmentation import Augmentation
from lightning_pose.data.context import Source, context_name, context_of_all, existing_context, find_context
from lightning_pose.data.dataset import LabeledDataset, with_visibility
from lightning_pose.types import Labels

NAMES = ["paw_left", "paw_right", "nose"]


def draw(folder, name, grey, size=(40, 60)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), grey, np.uint8))


def numbers(sources):
    return [int(source.path[-6:-4]) for source in sources]


@pytest.mark.parametrize(
    ("there", "image", "expected"),
    [
        (range(20), 10, [8, 9, 10, 11, 12]),
        (range(20), 0, [0, 0, 0, 1, 2]),
        (range(20), 1, [0, 0, 1, 2, 3]),
        (range(20), 19, [17, 18, 19, 19, 19]),
        ([8, 10, 11], 10, [8, 10, 10, 11, 11]),
        ([8, 10], 10, [8, 10, 10, 10, 10]),
        ([10, 12], 10, [10, 10, 10, 10, 12]),
        ([7, 10, 13], 10, None),
    ],
)
def test_the_nearest_frame_stands_for_a_missing_one(tmp_path, there, image, expected) -> None:
    for number in there:
        draw(tmp_path, f"s/img{number:02d}.png", number)
    found = find_context(f"s/img{image:02d}.png", tmp_path)
    assert (None if found is None else numbers(found)) == expected


def test_names_without_numbers_have_no_context(tmp_path) -> None:
    draw(tmp_path, "bird.png", 1)
    assert find_context("bird.png", tmp_path) is None
    assert existing_context(["bird.png"], tmp_path) == {"bird.png": []}


def test_the_context_of_many_images_is_found_by_listing_each_folder_once(tmp_path, monkeypatch) -> None:
    for name in ("a/img07.png", "a/img08.png", "a/img09.png", "b/img08.png", "b/img10.png"):
        draw(tmp_path, name, 1)
    listed = []
    monkeypatch.setattr(
        os, "listdir", lambda path, own=os.listdir: listed.append(Path(path).name) or own(path)
    )
    found = existing_context(["a/img07.png", "a/img08.png", "b/img09.png", "none/img01.png"], tmp_path)
    assert found == {
        "a/img07.png": ["a/img08.png", "a/img09.png"],
        "a/img08.png": ["a/img07.png", "a/img09.png"],
        "b/img09.png": ["b/img08.png", "b/img10.png"],
        "none/img01.png": [],
    }
    assert sorted(listed) == ["a", "b"]


def test_crops_have_their_context_in_one_file(tmp_path) -> None:
    draw(tmp_path, "s/img10.png", 10)
    draw(tmp_path, "s/img11.png", 99)  # the crop of another labelled frame, cut with another box
    draw(tmp_path, context_name("s/img10.png"), 8)
    stack = "s/img10.context.png"
    expected = [Source(stack, 0), Source(stack, 1), Source("s/img10.png"), Source(stack, 2), Source(stack, 3)]
    assert find_context("s/img10.png", tmp_path) == expected


def test_how_many_images_lack_context_is_said(tmp_path, caplog) -> None:
    for number in (0, 1, 2, 8, 9, 10, 11, 12):
        draw(tmp_path, f"img{number:02d}.png", number)
    draw(tmp_path, "alone50.png", 50)
    sources = context_of_all(["img00.png", "img10.png", "alone50.png"], tmp_path)
    assert numbers(sources[2]) == [50] * 5
    assert "2 of 3 images lack some context frames, such as img00.png" in caplog.text
    caplog.clear()
    context_of_all(["img10.png"], tmp_path)
    assert not caplog.text


def dataset(folder, paths, augmentation=None, visible=None, context=True):
    keypoints_px = np.tile([[10.0, 20.0], [50.0, 20.0], [30.0, 30.0]], (len(paths), 1, 1))
    labels = Labels(paths, NAMES, keypoints_px, visible)
    return LabeledDataset(labels, folder, 40, 60, augmentation, seed=3, context=context)


def test_a_sample_is_five_frames_in_their_order(tmp_path) -> None:
    for number in range(8, 13):
        draw(tmp_path, f"img{number:02d}.png", 10 * number)
    images = dataset(tmp_path, ["img10.png"])[0]["images"]
    assert images.shape == (5, 3, 40, 60)
    assert [int(frame.float().mean()) for frame in images] == [80, 90, 100, 110, 120]
    assert dataset(tmp_path, ["img10.png"], context=False)[0]["images"].shape == (3, 40, 60)


def test_crops_give_the_same_five(tmp_path) -> None:
    draw(tmp_path, "img10.png", 100)
    pile = np.repeat(np.array([80, 90, 110, 120], np.uint8), 40)[:, None, None]
    cv2.imwrite(str(tmp_path / "img10.context.png"), np.broadcast_to(pile, (160, 60, 3)).copy())
    images = dataset(tmp_path, ["img10.png"])[0]["images"]
    assert [int(frame.float().mean()) for frame in images] == [80, 90, 100, 110, 120]


def test_all_five_are_augmented_alike(tmp_path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    for number in range(8, 13):
        cv2.imwrite(str(tmp_path / f"img{number:02d}.png"), picture)
    own = dataset(tmp_path, ["img10.png"], Augmentation(rotation=90, scale=1.3, shift=0.1, brightness=0.3))
    for epoch in range(4):
        images = own[epoch, 0]["images"]
        assert all((frame == images[2]).all() for frame in images)
    assert not (own[0, 0]["images"] == own[1, 0]["images"]).all()
    alone = dataset(tmp_path, ["img10.png"], own.augmentation, context=False)
    assert (alone[2, 0]["images"] == own[2, 0]["images"][2]).all()
    assert (alone[2, 0]["keypoints_model_px"] == own[2, 0]["keypoints_model_px"]).all()


@pytest.mark.parametrize("flip", ["flip_horizontal", "flip_vertical", None])
def test_visibility_moves_with_its_keypoint(tmp_path, flip) -> None:
    draw(tmp_path, "img10.png", 10)
    visible = np.array([[0, 1, 2]], np.int8)
    ranges = Augmentation(rotation=180, scale=1.5, shift=0.3)
    ranges = replace(ranges, **{flip: 1.0}) if flip else ranges
    own = dataset(tmp_path, ["img10.png"], ranges, visible, context=False)
    for epoch in range(5):
        assert own[epoch, 0]["visible"].tolist() == ([1, 0, 2] if flip else [0, 1, 2])


@pytest.mark.parametrize("uniform", [False, True])
def test_empty_cells_mean_what_the_setting_says(uniform) -> None:
    keypoints_px = np.array([[[1.0, 2.0], [np.nan, np.nan], [3.0, np.nan]]])
    labels = Labels(["a.png"], NAMES, keypoints_px)
    assert with_visibility(labels, uniform).visible.tolist() == [[2, int(uniform), int(uniform)]]
    told = replace(labels, visible=np.array([[2, 0, 1]], np.int8))
    assert with_visibility(told, uniform).visible.tolist() == [[2, 0, 1]]
