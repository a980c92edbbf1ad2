"""Keypoints move with the image, and a mirror swaps left and right."""

import cv2
import numpy as np
import pytest

from lightning_pose.data.augmentation import (
    PIPELINES,
    Augmentation,
    augment,
    mirror_order,
    parse_augmentation,
    without_partner,
)
from lightning_pose.types import UserError

GEOMETRY = Augmentation(rotation=60, scale=1.3, shift=0.1, flip_horizontal=0.5, flip_vertical=0.5)


@pytest.mark.parametrize("seed", range(20))
def test_a_drawn_blob_stays_under_its_keypoint(seed: int) -> None:
    image = np.zeros((96, 128, 3), np.uint8)
    at = np.array([50.0, 60.0])
    cv2.circle(image, (50, 60), 4, (255, 255, 255), -1)
    moved, keypoints = augment(image, at[None], GEOMETRY, np.array([0]), np.random.default_rng(seed))
    weights = moved[..., 0].astype(float)
    rows, columns = np.mgrid[:96, :128]
    center = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    assert np.abs(center - keypoints[0]).max() < 0.3


def test_mirror_swaps_left_and_right_names() -> None:
    names = ["nose", "leftear", "rightear", "eye_left", "eye_right", "foot_left"]
    assert mirror_order(names).tolist() == [0, 2, 1, 4, 3, 5]


def test_flip_swaps_keypoints() -> None:
    flip = Augmentation(flip_horizontal=1.0)
    keypoints = np.array([[10.0, 5.0], [20.0, 5.0]])
    _, flipped = augment(
        np.zeros((32, 64, 3), np.uint8), keypoints, flip, np.array([1, 0]), np.random.default_rng(0)
    )
    np.testing.assert_allclose(flipped, [[43.0, 5.0], [53.0, 5.0]])


def test_the_same_generator_gives_the_same_sample() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    first, second = (
        augment(image, np.ones((1, 2)), PIPELINES["dlc-top-down"], np.array([0]), np.random.default_rng(3))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])


@pytest.mark.parametrize("setting", ["dcl", {"pipeline": "dlc", "rotaton": 3}])
def test_unknown_pipelines_are_refused(setting: object) -> None:
    with pytest.raises(UserError, match=r"training\.imgaug"):
        parse_augmentation(setting)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("eye_left", "eye_right"),
        ("LeftEar", "RightEar"),
        ("LEFT paw", "RIGHT paw"),
        ("paw_L", "paw_R"),
        ("l-wing", "r-wing"),
        ("rightwing", "leftwing"),
    ],
)
def test_sides_are_told_by_names(one: str, other: str) -> None:
    names = ["beak", one, other, "tail_base"]
    assert mirror_order(names).tolist() == [0, 2, 1, 3]
    assert without_partner(names) == []
    assert without_partner(["beak", one]) == [one]


def test_letters_inside_words_are_no_sides() -> None:
    assert mirror_order(["girl", "tail", "ear", "r2"]).tolist() == [0, 1, 2, 3]
