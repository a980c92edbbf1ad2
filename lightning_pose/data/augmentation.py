"""Augmentation of an image and its keypoints together, in one resampling.

Images are (H, W, 3) uint8, keypoints (K, 2) in model pixels. Random numbers come from a generator that the
caller seeds per sample, so that the number of workers changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np

from lightning_pose.data.imgaug_names import ranges_of
from lightning_pose.settings import TrainingSettings
from lightning_pose.types import Problem, UserError


@dataclass(frozen=True)
class Augmentation:
    """Ranges that a random transformation is drawn from.

    Parameters
    ----------
    rotation : degrees to each side.
    half_turn : probability that an image is upside down besides.
    scale : largest zoom, in and out: 1.25 means 0.8 to 1.25.
    shift : share of the image to each side.
    geometry : probability that an image is turned, zoomed and shifted at all.
    flip_horizontal, flip_vertical : probabilities; a flip swaps left and right keypoints.
    brightness, contrast, color : share by which the image is changed at most.
    noise : largest standard deviation, in grey levels.
    blur : probability of a slight blur.
    cutout : probability that a patch is greyed out.
    """

    rotation: float = 0.0
    half_turn: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    geometry: float = 1.0
    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    color: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    cutout: float = 0.0


SHARE = (0, 1)
LIMITS = {
    "rotation": (0, 180), "half_turn": SHARE, "scale": (1, 4), "shift": SHARE, "geometry": SHARE,
    "flip_horizontal": SHARE, "flip_vertical": SHARE,
    "brightness": SHARE, "contrast": SHARE, "color": SHARE, "noise": (0, 255), "blur": SHARE, "cutout": SHARE,
}  # fmt: skip
_DLC = Augmentation(
    rotation=25,
    scale=1.25,
    shift=0.06,
    brightness=0.2,
    contrast=0.2,
    color=0.1,
    noise=8,
    blur=0.2,
    cutout=0.3,
)
PIPELINES = {
    "default": Augmentation(),
    "none": Augmentation(),
    "dlc": _DLC,
    "dlc-lr": replace(_DLC, half_turn=0.5),
    "dlc-top-down": replace(_DLC, rotation=180),
    "dlc-mv": replace(_DLC, rotation=0, scale=1, shift=0),
}


def augmentation_of(training: TrainingSettings) -> Augmentation:
    """Return the ranges of a training: ``imgaug``, and flips of half of the images with ``imgaug_hflip``."""
    ranges = parse_augmentation(training.imgaug)
    return replace(ranges, flip_horizontal=0.5) if training.imgaug_hflip else ranges


def parse_augmentation(setting: Any) -> Augmentation:
    """Turn ``training.imgaug`` into ranges.

    Parameters
    ----------
    setting : a pipeline's name, ``{pipeline: name, rotation: 54, ...}``, or entries by the names of imgaug's
        classes, see `lightning_pose.data.imgaug_names`.
    """
    changes = dict(setting) if isinstance(setting, dict) else {"pipeline": setting}
    listed = {key: changes.pop(key) for key in list(changes) if str(key)[:1].isupper()}
    changes = ranges_of(listed, "training.imgaug") | changes
    name = changes.pop("pipeline", "default")
    if not isinstance(name, str) or name not in PIPELINES:
        raise UserError(Problem("training.imgaug", f"one of {', '.join(PIPELINES)}", str(name)))
    known = [entry.name for entry in fields(Augmentation)]
    problems = []
    for key, value in changes.items():
        if key not in known:
            problems.append(Problem(f"training.imgaug.{key}", f"one of {', '.join(known)}", str(key)))
        elif not isinstance(value, int | float) or not LIMITS[key][0] <= value <= LIMITS[key][1]:
            expected = "a number from {:g} to {:g}".format(*LIMITS[key])
            problems.append(Problem(f"training.imgaug.{key}", expected, str(value)))
    if problems:
        raise UserError(problems)
    return replace(PIPELINES[name], **changes)


def augment(
    image: np.ndarray,
    keypoints_model_px: np.ndarray,
    ranges: Augmentation,
    mirror: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Transform an image and its keypoints by one random draw; the inputs are left as they are."""
    height, width = image.shape[:2]
    matrix, flipped = random_affine(height, width, ranges, rng)
    if not np.allclose(matrix, np.eye(3)):
        image = cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR)
        keypoints_model_px = keypoints_model_px @ matrix[:2, :2].T + matrix[:2, 2]
    if flipped:
        keypoints_model_px = keypoints_model_px[mirror]
    return _change_pixels(image, ranges, rng), keypoints_model_px


def random_affine(
    height: int, width: int, ranges: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Draw a 3x3 matrix in pixels (centres at integers) and whether it mirrors."""
    moves = 1.0 if ranges.geometry >= 1 else float(rng.random() < ranges.geometry)
    angle = moves * np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation))
    if ranges.half_turn and rng.random() < ranges.half_turn:
        angle += np.pi
    zoom = np.exp(moves * rng.uniform(-1, 1) * np.log(ranges.scale))
    shift = moves * rng.uniform(-ranges.shift, ranges.shift, 2) * [width, height]
    flips = rng.random(2) < [ranges.flip_horizontal, ranges.flip_vertical]
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag(np.where(flips, -1.0, 1.0))
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = center + shift - linear @ center
    return matrix, bool(flips[0] != flips[1])


def _change_pixels(image: np.ndarray, ranges: Augmentation, rng: np.random.Generator) -> np.ndarray:
    gain = 1 + rng.uniform(-ranges.contrast, ranges.contrast) + rng.uniform(-1, 1, 3) * ranges.color
    offset = 255 * rng.uniform(-ranges.brightness, ranges.brightness)
    blurs, cuts = rng.random(2) < [ranges.blur, ranges.cutout]
    sigma = rng.uniform(0, ranges.noise)
    if ranges.contrast or ranges.brightness or ranges.color:
        table = np.clip((np.arange(256)[:, None] - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table[None])
    if blurs:
        image = cv2.GaussianBlur(image, (3, 3), 0)
    if sigma > 1:
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None] * sigma
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if cuts:
        image = _cut_out(image, rng)
    return image


def _cut_out(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    high, wide = (rng.uniform(0.05, 0.2, 2) * [height, width]).astype(int)
    top, left = int(rng.uniform(0, height - high)), int(rng.uniform(0, width - wide))
    image = image.copy()
    image[top : top + high, left : left + wide] = rng.integers(0, 256, 3)
    return image
