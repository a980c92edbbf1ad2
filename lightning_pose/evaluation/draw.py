"""Draw keypoints and skeletons into images: the one place that does."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

Color = tuple[int, int, int]
LINE: Color = (235, 235, 235)
SHIFT = 4  # bits of sub-pixel precision that OpenCV draws with


def keypoint_colors(count: int) -> list[Color]:
    """Return as many colours, RGB 0..255, spread over the hues."""
    hues = (colorsys.hsv_to_rgb(i / max(count, 1), 0.85, 1.0) for i in range(count))
    return [tuple(round(255 * channel) for channel in hue) for hue in hues]  # type: ignore[misc]


def draw_skeleton(
    image: np.ndarray,
    keypoints_px: np.ndarray,
    keypoint_names: Sequence[str],
    skeleton: Sequence[Sequence[str]] = (),
    confidence: np.ndarray | None = None,
    min_confidence: float = 0.0,
    radius: float = 3.0,
) -> np.ndarray:
    """Return the image with its keypoints and the lines between them.

    Parameters
    ----------
    image : array, (H, W, 3), uint8, RGB
    keypoints_px : array, (K, 2)
        Pixels of the image; NaN = left out.
    keypoint_names : list of str, K
    skeleton : pairs of names to join.
    confidence : array, (K,), or None
        Keypoints below `min_confidence` are left out.
    radius : of a keypoint, pixels.
    """
    drawn = np.ascontiguousarray(image).copy()
    shown = np.isfinite(keypoints_px).all(-1)
    if confidence is not None:
        shown &= confidence >= min_confidence
    place = {name: _fixed_point(keypoints_px[k]) for k, name in enumerate(keypoint_names) if shown[k]}
    width = max(round(radius / 2), 1)
    for first, second in skeleton:
        if first in place and second in place:
            cv2.line(drawn, place[first], place[second], LINE, width, cv2.LINE_AA, SHIFT)
    for name, color in zip(keypoint_names, keypoint_colors(len(keypoint_names)), strict=True):
        if name in place:
            cv2.circle(drawn, place[name], round(radius * 2**SHIFT), color, -1, cv2.LINE_AA, SHIFT)
    return drawn


def draw_box(
    image: np.ndarray, xywh_px: np.ndarray, color: Color = (255, 210, 0), width: int = 2
) -> np.ndarray:
    """Return the image with a box, (4,) x, y, w, h in its pixels, which may reach beyond it."""
    drawn = np.ascontiguousarray(image).copy()
    x, y, w, h = (float(value) for value in xywh_px)
    corners = _fixed_point(np.array([x - 0.5, y - 0.5])), _fixed_point(np.array([x + w - 0.5, y + h - 0.5]))
    cv2.rectangle(drawn, *corners, color, width, cv2.LINE_AA, SHIFT)
    return drawn


def _fixed_point(point: np.ndarray) -> tuple[int, int]:
    x, y = np.round(np.asarray(point, float) * 2**SHIFT).astype(int)
    return int(x), int(y)
