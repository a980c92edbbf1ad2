"""Keypoints move with the image, and a mirror swaps left and right."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lightning_pose.data.augmentation import (
    PIPELINES,
    Augmentation,
    augment,
    augmentation_of,
    parse_augmentation,
)
from lightning_pose.settings import TrainingSettings
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


@pytest.mark.parametrize("pipeline", ["dlc", "dlc-lr", "dlc-top-down", "dlc-mv"])
def test_pipelines_of_upstream_turn_animals_but_never_mirror_them(pipeline: str) -> None:
    triangle = np.array([[60.0, 60.0], [70.0, 60.0], [60.0, 66.0]])
    image, rng, angles = np.zeros((128, 128, 3), np.uint8), np.random.default_rng(0), []
    for _ in range(300):
        _, (corner, along, aside) = augment(image, triangle, PIPELINES[pipeline], np.arange(3), rng)
        (a, b), (c, d) = along - corner, aside - corner
        assert a * d - b * c > 0
        angles.append(np.rad2deg(np.arctan2(b, a)))
    upside_down, aside = np.abs(angles) > 150, (np.abs(angles) > 60) & (np.abs(angles) < 120)
    assert (0.4 if pipeline == "dlc-lr" else 0.1 if pipeline == "dlc-top-down" else 0) <= upside_down.mean()
    assert upside_down.mean() < (
        0.6 if pipeline == "dlc-lr" else 0.25 if pipeline == "dlc-top-down" else 0.01
    )
    assert aside.any() == (pipeline == "dlc-top-down")


def test_flips_of_upstream_are_a_setting_of_their_own() -> None:
    assert augmentation_of(TrainingSettings(imgaug="dlc")) == PIPELINES["dlc"]
    flips = augmentation_of(TrainingSettings(imgaug="dlc", imgaug_hflip=True))
    assert flips == replace(PIPELINES["dlc"], flip_horizontal=0.5)


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
