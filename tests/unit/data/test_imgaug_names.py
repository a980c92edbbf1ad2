"""Lists of augmentations in upstream's form."""

import numpy as np
import pytest

from lightning_pose.data.augmentation import PIPELINES, Augmentation, parse_augmentation, random_affine
from lightning_pose.types import UserError


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({"Fliplr": {"p": 0.5}}, {"flip_horizontal": 0.5}),
        ({"Flipud": {"p": 1.0, "args": [0.25]}}, {"flip_vertical": 0.25}),
        ({"Affine": {"p": 0.4, "kwargs": {"rotate": [-25, 20]}}}, {"geometry": 0.4, "rotation": 25}),
        ({"Rotate": {"p": 1.0, "args": [30]}}, {"rotation": 30}),
        ({"Affine": {"kwargs": {"scale": [0.8, 1.1]}}}, {"geometry": 0.5, "scale": 1.25}),
        ({"Affine": {"p": 1, "kwargs": {"scale": {"x": [0.9, 1.5], "y": [1, 1.2]}}}}, {"scale": 1.5}),
        ({"Affine": {"p": 1, "kwargs": {"translate_percent": [-0.1, 0.05]}}}, {"shift": 0.1}),
        ({"Rot90": {"p": 1.0, "kwargs": {"k": [[0, 1, 2, 3]]}}}, {"rotation": 180}),
        ({"Rot90": {"p": 1.0, "kwargs": {"k": [[0, 2]]}}}, {"half_turn": 0.5}),
        ({"Rot90": {"p": 0.4, "args": [2]}}, {"half_turn": 0.4}),
        ({"Emboss": {"p": 0.1, "kwargs": {"alpha": [0, 0.5]}}, "Flipud": {"p": 1}}, {"flip_vertical": 1}),
        (
            {"CropAndPad": {"p": 0.4, "kwargs": {"percent": [-0.15, 0.15], "keep_size": False}}},
            {"geometry": 0.4, "scale": 1 / 0.7, "shift": 0.15},
        ),
        ({"MotionBlur": {"p": 0.5, "kwargs": {"k": 5, "angle": [-90, 90]}}}, {"blur": 0.5}),
        ({"CoarseDropout": {"p": 0.2}, "CoarseSalt": {"p": 0.5}}, {"cutout": 0.5}),
        ({"AdditiveGaussianNoise": {"kwargs": {"scale": [0, 12]}}}, {"noise": 12}),
        ({"LinearContrast": {"args": [[0.7, 1.2]]}}, {"contrast": 0.3}),
        ({"Affine": {"args": [[0.8, 1.2]]}}, {"geometry": 0.5, "scale": 1.25}),
        ({"Affine": {"args": [None, None, None, [-25, 25]]}}, {"geometry": 0.5, "rotation": 25}),
        ({"Rotate": {"p": 1}}, {"rotation": 30}),
        ({"AdditiveGaussianNoise": {"args": [0, [0, 12]]}}, {"noise": 12}),
        ({"Multiply": {"kwargs": {"per_channel": 0.1, "mul": [0.8, 1.3]}}}, {"brightness": 0.3}),
        ({"LinearContrast": {"kwargs": {"per_channel": True, "alpha": [0.7, 1.2]}}}, {"contrast": 0.3}),
        ({"GammaContrast": None}, {"contrast": 0.7}),
        ({"Multiply": {"p": 0.0, "args": [[0.7, 1.2]]}}, {}),
        ({"Fliplr": None}, {"flip_horizontal": 0.5}),
        ({"Fliplr": {"p": 0.5}, "noise": 3}, {"flip_horizontal": 0.5, "noise": 3}),
        ({"pipeline": "dlc", "Fliplr": {"p": 0.5}}, {**vars(PIPELINES["dlc"]), "flip_horizontal": 0.5}),
    ],
    ids=str,
)
def test_entries_become_ranges(listed, expected) -> None:
    found, defaults = parse_augmentation(listed), vars(Augmentation())
    assert vars(found) == pytest.approx(defaults | expected)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"Flip": {"p": 0.5}}, r"training\.imgaug\.Flip: expected one of Fliplr, .*, found Flip"),
        ({"Fliplr": {"p": 2}}, r"training\.imgaug\.Fliplr: expected \{p: 0 to 1"),
        ({"Fliplr": {"q": 1}}, "Fliplr"),
        ({"Fliplr": 0.5}, "Fliplr"),
        ({"Affine": {"kwargs": {"rotate": "much"}}}, "Affine"),
        ({"Affine": {"kwargs": {"rotate": [-400, 400]}}}, r"training\.imgaug\.rotation: expected a number"),
        ({"Affine": {"kwargs": {"scale": [0, 1]}}}, "Affine"),
        ({"CropAndPad": {"kwargs": {}}}, "CropAndPad"),
        ({"Affine": {"kwargs": {"shear": [-16, 16]}}}, r"training\.imgaug\.Affine"),
        ({"Affine": {"kwargs": {"translate_px": 5}}}, r"training\.imgaug\.Affine"),
        ({"Affine": {"args": [1, 0, 5]}}, r"training\.imgaug\.Affine"),
    ],
    ids=str,
)
def test_other_entries_are_refused(listed, message) -> None:
    with pytest.raises(UserError, match=message):
        parse_augmentation(listed)


def test_images_are_left_in_place_as_often_as_the_list_says() -> None:
    ranges = parse_augmentation({"Affine": {"p": 0.3, "kwargs": {"rotate": [-25, 25], "scale": [0.8, 1.2]}}})
    rng = np.random.default_rng(0)
    moved = [not np.allclose(random_affine(64, 64, ranges, rng)[0], np.eye(3)) for _ in range(1000)]
    assert np.mean(moved) == pytest.approx(0.3, abs=0.05)
