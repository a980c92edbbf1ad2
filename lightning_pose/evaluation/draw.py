"""Draw keypoints, skeletons and boxes into images: the one place that does.

OpenCV draws between pixels where coordinates are fixed-point numbers, as `fixed_point` makes them.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

Color = tuple[int, int, int]
LINE: Color = (235, 235, 235)
BOX: Color = (255, 210, 0)
UNSURE_BOX: Color = (255, 90, 0)
SHIFT = 4  # bits of sub-pixel precision that OpenCV draws with
FARTHEST = 1 << 20  # pixels: what lies beyond would overflow OpenCV's numbers


def keypoint_colors(count: int) -> list[Color]:
    """Return as many colours, RGB 0..255, spread over the hues."""
    hues = (colorsys.hsv_to_rgb(i / max(count, 1), 0.85, 1.0) for i in range(count))
    return [tuple(round(255 * channel) for channel in hue) for hue in hues]  # type: ignore[misc]


def fixed_point(points_px: np.ndarray) -> np.ndarray:
    """Return points, (..., 2) in pixels, as OpenCV's fixed-point numbers, int32; NaN becomes 0."""
    finite = np.nan_to_num(np.asarray(points_px, float), nan=0.0, posinf=FARTHEST, neginf=-FARTHEST)
    return np.round(finite.clip(-FARTHEST, FARTHEST) * 2**SHIFT).astype(np.int32)


class SkeletonPainter:
    """Draws the keypoints of one animal and the lines between them into images, in place.

    Parameters
    ----------
    keypoint_names : list of str, K
    skeleton : pairs of names to join.
    radius : of a keypoint, pixels.
    """

    def __init__(
        self, keypoint_names: Sequence[str], skeleton: Sequence[Sequence[str]] = (), radius: float = 3.0
    ) -> None:
        places = {name: k for k, name in enumerate(keypoint_names)}
        self.edges = [(places[a], places[b]) for a, b in skeleton if a in places and b in places]
        self.colors = keypoint_colors(len(places))
        self.radius, self.width = round(radius * 2**SHIFT), max(round(radius / 2), 1)

    def paint(self, image: np.ndarray, points: np.ndarray, shown: np.ndarray) -> None:
        """Draw lines, and keypoints as discs over them.

        Parameters
        ----------
        image : array, (H, W, 3), uint8, RGB
        points : array, (K, 2), int32, fixed-point
        shown : array, (K,), bool
            Other keypoints are left out.
        """
        for first, second in self.edges:
            if shown[first] and shown[second]:
                cv2.line(image, points[first], points[second], LINE, self.width, cv2.LINE_AA, SHIFT)
        self._circles(image, points, shown, -1)

    def paint_rings(self, image: np.ndarray, points: np.ndarray, shown: np.ndarray) -> None:
        """Draw keypoints as rings; parameters as of `paint`."""
        self._circles(image, points, shown, 1)

    def paint_trails(self, image: np.ndarray, trails: Sequence[np.ndarray]) -> None:
        """Draw the way of each keypoint, (n, 2) fixed-point; one of less than two points is none."""
        for trail, color in zip(trails, self.colors, strict=True):
            if len(trail) > 1:
                cv2.polylines(image, [trail], False, color, 1, cv2.LINE_AA, SHIFT)

    def _circles(self, image: np.ndarray, points: np.ndarray, shown: np.ndarray, width: int) -> None:
        for k, color in enumerate(self.colors):
            if shown[k]:
                cv2.circle(image, points[k], self.radius, color, width, cv2.LINE_AA, SHIFT)


def paint_box(image: np.ndarray, xywh_px: np.ndarray, color: Color = BOX, width: int = 2) -> None:
    """Draw a box, (4,) x, y, w, h in the image's pixels, into it; the box may reach beyond."""
    x, y, w, h = (float(value) for value in xywh_px)
    first, second = fixed_point(np.array([[x - 0.5, y - 0.5], [x + w - 0.5, y + h - 0.5]]))
    cv2.rectangle(image, first, second, color, width, cv2.LINE_AA, SHIFT)


def paint_text(image: np.ndarray, text: str, scale: float = 0.5) -> None:
    """Write into an image's top left corner, white on black."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    image[: height + below + 4, : width + 6] = 0
    cv2.putText(
        image, text, (3, height + 3), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
    )


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
    SkeletonPainter(keypoint_names, skeleton, radius).paint(drawn, fixed_point(keypoints_px), shown)
    return drawn


def draw_box(image: np.ndarray, xywh_px: np.ndarray, color: Color = BOX, width: int = 2) -> np.ndarray:
    """Return the image with a box, (4,) x, y, w, h in its pixels, which may reach beyond it."""
    drawn = np.ascontiguousarray(image).copy()
    paint_box(drawn, xywh_px, color, width)
    return drawn
