"""Pictures in memory as a network sees them, whole or cut by a box, and what it finds in frame pixels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

import numpy as np

from lightning_pose.data.context import OFFSETS
from lightning_pose.data.cut import Box, crop_image
from lightning_pose.data.dataset import resize_image
from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.inference.predict import Predictor
from lightning_pose.machine import job_cores
from lightning_pose.settings import takes_context

Window = Sequence[
    np.ndarray
]  # a frame, RGB, (H, W, 3) uint8; or five in a row, the one asked about in the middle
Place = TypeVar("Place", bound=Hashable)
Found = tuple[np.ndarray, np.ndarray]  # keypoints (B, K, 2), confidence (B, K)


def check_frame(frame: np.ndarray) -> np.ndarray:
    """Return `frame`.

    Raises
    ------
    ValueError
        If it is no picture, (H, W, 3) uint8.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ValueError(f"a frame is (H, W, 3) uint8, RGB, not {frame.shape} {frame.dtype}")
    return frame


def sees_context(predictor: Predictor) -> bool:
    """Say whether a network sees the neighbours of each frame."""
    return takes_context(predictor.settings.model.model_type)


def model_hw(predictor: Predictor) -> tuple[int, int]:
    """Return height and width of what a network sees."""
    dims = predictor.settings.data.image_resize_dims
    return dims.height, dims.width


def predict_whole(predictor: Predictor, windows: Sequence[Window]) -> Found:
    """Predict on whole frames of any sizes; keypoints in pixels of each."""
    height, width = model_hw(predictor)

    def cut(frame: np.ndarray, place: None) -> np.ndarray:
        return resize_image(frame, height, width)

    images = as_images(predictor, windows, [None] * len(windows), cut)
    sizes = np.array([own[0].shape[:2] for own in windows], dtype=float)
    return predictor.predict_batch(images, sizes)


def predict_in_boxes(
    predictor: Predictor,
    windows: Sequence[Window],
    xywh_px: np.ndarray,
    crop_hw: tuple[int, int] | None = None,
) -> Found:
    """Predict on what lies in a box of each frame.

    Parameters
    ----------
    predictor : the network, trained on crops.
    windows : B frames, or B times five.
    xywh_px : array, (B, 4)
        The boxes, in frame pixels; frames of context are cut by the same box as their middle one.
    crop_hw : height and width of crops on disk, which are resized once more for the network; None = crops are
        cut as it sees them.

    Returns
    -------
    keypoints_frame_px : array, (B, K, 2)
    confidence : array, (B, K)
    """
    height, width = model_hw(predictor)
    size = crop_hw or (height, width)
    boxes = [(float(x), float(y), float(w), float(h)) for x, y, w, h in xywh_px]

    def cut(frame: np.ndarray, box: Box) -> np.ndarray:
        return resize_image(crop_image(frame, box, size), height, width)

    sizes = np.tile(np.array(size, dtype=float), (len(boxes), 1))
    images = as_images(predictor, windows, boxes, cut)
    keypoints_crop_px, confidence = predictor.predict_batch(images, sizes)
    return crop_to_frame(keypoints_crop_px, np.asarray(xywh_px, dtype=float), size), confidence


def _seen(predictor: Predictor, window: Window) -> Window:
    """Return what the network looks at: the middle frame, or all five."""
    if not sees_context(predictor):
        return [window[len(window) // 2]]
    return window if len(window) > 1 else [window[0]] * (len(OFFSETS) + 1)


def as_images(
    predictor: Predictor,
    windows: Sequence[Window],
    places: Sequence[Place],
    cut: Callable[[np.ndarray, Place], np.ndarray],
) -> np.ndarray:
    """Return what a network sees of windows as its input, (B, 3, H, W) or (B, 5, 3, H, W).

    All cores cut pictures; a frame that several windows show at the same place is cut once.

    Parameters
    ----------
    predictor : the network.
    windows : B of them.
    places : of each window, what of its frames is seen.
    cut : takes a frame and a place, and returns a picture of the network's size, (H, W, 3).
    """
    seen = [list(_seen(predictor, window)) for window in windows]  # arrays give new frames each time
    keys = [[(id(frame), place) for frame in own] for own, place in zip(seen, places, strict=True)]
    wanted = dict(zip(chain.from_iterable(keys), chain.from_iterable(seen), strict=True))

    def cut_one(key: tuple[int, Place]) -> np.ndarray:
        return cut(wanted[key], key[1])

    if len(wanted) == 1:  # not worth a thread
        cuts = [cut_one(key) for key in wanted]
    else:
        with ThreadPoolExecutor(job_cores()) as pool:
            cuts = list(pool.map(cut_one, wanted))
    pictures = dict(zip(wanted, cuts, strict=True))
    images = np.stack([np.stack([pictures[key] for key in own]) for own in keys]).transpose(0, 1, 4, 2, 3)
    return images if sees_context(predictor) else images[:, 0]
