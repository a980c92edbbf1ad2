"""The maps between frame and crop pixels.

A crop of W x H pixels shows a box (x, y, w, h) of the frame. Pixel centres lie at integers in both, so that
crop column u shows frame column ``x - 0.5 + (u + 0.5) * w / W``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lightning_pose.types import Problem, UserError


def frame_to_crop(keypoints_frame_px: np.ndarray, xywh_px: np.ndarray, crop_hw: Sequence[int]) -> np.ndarray:
    """Map frame pixels to crop pixels.

    Parameters
    ----------
    keypoints_frame_px : array, (N, K, 2)
    xywh_px : array, (N, 4)
        The box of each row.
    crop_hw : height and width of the crop.

    Returns
    -------
    array, (N, K, 2)
    """
    scale = np.array([crop_hw[1], crop_hw[0]]) / xywh_px[:, None, 2:]
    return (keypoints_frame_px + 0.5 - xywh_px[:, None, :2]) * scale - 0.5


def crop_to_frame(keypoints_crop_px: np.ndarray, xywh_px: np.ndarray, crop_hw: Sequence[int]) -> np.ndarray:
    """Map crop pixels to frame pixels: the inverse of `frame_to_crop`."""
    scale = xywh_px[:, None, 2:] / np.array([crop_hw[1], crop_hw[0]])
    return (keypoints_crop_px + 0.5) * scale - 0.5 + xywh_px[:, None, :2]


def parse_size(text: str, option: str = "--crop_size") -> tuple[int, int]:
    """Parse the height and width of a crop, written ``HxW``; `option` is for the message."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(Problem(option, "HxW, such as 256x256", text))
    return int(parts[0]), int(parts[1])
