"""Whether crops can be trusted: where keypoints lie in their boxes, how large boxes are, how they came about.

A keypoint beyond its box is lost to the pose model, and one close to the border has little around it. N
frames or images, K keypoints; positions are shares of a box: 0 at its left or top edge, 1 at its right or
bottom one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lightning_pose.types import Boxes, BoxStatus

BORDER = 0.05  # of a box's side: closer to the edge is near the border
FAR_FROM_USUAL = 2.0  # a box that many times larger or smaller than usual, to its keypoints, is of odd size
LEAST_SPAN = 1e-3  # frame pixels: keypoints within tell no size
UNSURE = 0.5  # of the usual confidence: less is little

# what may be wrong with a frame, the worst first
OUTSIDE, FALLBACK, NEAR, CARRIED, ODD_SIZE, LITTLE_CONFIDENCE = (
    "outside", "fallback", "near_border", "carried", "odd_size", "little_confidence",
)  # fmt: skip
FLAGS = (OUTSIDE, FALLBACK, NEAR, CARRIED, ODD_SIZE, LITTLE_CONFIDENCE)


@dataclass(frozen=True)
class CropQa:
    """What is known of N crops.

    Parameters
    ----------
    names : image paths, or frame numbers.
    keypoint_names : list of str, K
    keypoints_frame_px : array, (N, K, 2)
        Labels where there are any, else predictions; NaN = neither.
    is_label : array, (N, K), bool
    boxes : of the same rows, in frame pixels.
    confidence : array, (N, K)
        Of the predictions; NaN = there are none.
    """

    names: list[str] | list[int]
    keypoint_names: list[str]
    keypoints_frame_px: np.ndarray
    is_label: np.ndarray
    boxes: Boxes
    confidence: np.ndarray

    @property
    def positions(self) -> np.ndarray:
        """Where keypoints lie in their boxes, (N, K, 2)."""
        corner, size = self.boxes.xywh_px[:, None, :2], self.boxes.xywh_px[:, None, 2:]
        return (self.keypoints_frame_px - (corner - 0.5)) / size

    @cached_property
    def margins(self) -> np.ndarray:
        """How far keypoints lie from the nearest edge, (N, K), as a share of the box; below 0 = outside."""
        positions = self.positions
        nearest = np.minimum(positions, 1 - positions)
        return np.minimum(nearest[..., 0], nearest[..., 1])

    @property
    def outside(self) -> np.ndarray:
        """Which keypoints lie outside their boxes, (N, K)."""
        return self.margins < 0

    @property
    def near_border(self) -> np.ndarray:
        """Which keypoints lie within their boxes, but near the border, (N, K)."""
        margins = self.margins
        return (margins >= 0) & (margins < BORDER)

    @property
    def box_ratios(self) -> np.ndarray:
        """The larger side of each box over the larger span of its keypoints, (N,); NaN = fewer than two."""
        points = self.keypoints_frame_px
        known = np.isfinite(points).all(-1, keepdims=True)
        span = np.where(known, points, -np.inf).max(1) - np.where(known, points, np.inf).min(1)
        largest = np.where(known.sum((1, 2)) > 1, span.max(-1), np.nan)
        return self.boxes.xywh_px[:, 2:].max(-1) / np.where(largest > LEAST_SPAN, largest, np.nan)

    @property
    def frame_confidence(self) -> np.ndarray:
        """The detector's confidence in each box, (N,); NaN = it did not look, or saw nothing credible.

        Where that is unknown, the mean confidence of each frame's keypoints; NaN = there are no predictions.
        """
        return row_means(self.confidence) if self.boxes.confidence is None else self.boxes.confidence


def row_means(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row without its NaN, NaN where that is all there is."""
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan)


def row_minima(values: np.ndarray) -> np.ndarray:
    """Return the least of each row without its NaN, NaN where that is all there is."""
    known = np.isfinite(values)
    return np.where(known.any(1), np.where(known, values, np.inf).min(1, initial=np.inf), np.nan)


def find_flags(qa: CropQa) -> dict[str, np.ndarray]:
    """Return which frames have what amiss: each of `FLAGS`, (N,), bool.

    ``outside``, ``near_border``: any keypoint is. ``fallback``, ``carried``: the detector saw nothing, or
    nothing credible. ``odd_size``: the box is far larger or smaller, to its keypoints, than boxes of the set
    usually are. ``little_confidence``: less than half of what is usual in the set.
    """
    status = np.array(qa.boxes.status if qa.boxes.status is not None else [""] * len(qa.names))
    ratios, confidence = qa.box_ratios, qa.frame_confidence
    relative = ratios / median(ratios)
    return {
        OUTSIDE: qa.outside.any(1),
        FALLBACK: status == BoxStatus.FALLBACK.value,
        NEAR: qa.near_border.any(1),
        CARRIED: status == BoxStatus.CARRIED.value,
        ODD_SIZE: (relative > FAR_FROM_USUAL) | (relative < 1 / FAR_FROM_USUAL),
        LITTLE_CONFIDENCE: confidence < UNSURE * median(confidence),
    }


def worst_first(qa: CropQa, flags: dict[str, np.ndarray]) -> np.ndarray:
    """Return the rows, the least trustworthy first, (N,).

    By keypoints outside, then the other flags in the order of `FLAGS`, then the least margin.
    """
    margins = np.nan_to_num(row_minima(qa.margins), nan=np.inf)
    keys = [qa.outside.sum(1), flags[FALLBACK], qa.near_border.sum(1), *(flags[name] for name in FLAGS[3:])]
    return np.lexsort((margins, *(-key.astype(int) for key in reversed(keys))))


def flag_text(flags: dict[str, np.ndarray], row: int) -> str:
    """Return what is amiss with a frame, in words separated by spaces."""
    return " ".join(name for name in FLAGS if flags[name][row])


def count_status(boxes: Boxes) -> dict[str, int]:
    """Return how many boxes came about how; none if that is unknown."""
    status: Sequence[str] = boxes.status or []
    return {name: list(status).count(name) for name in dict.fromkeys(status)}


def median(values: np.ndarray) -> float:
    """Return the median of what is not NaN, NaN if that is nothing."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
