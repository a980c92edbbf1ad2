"""Place bounding boxes around the animal, in frame pixels."""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightning_pose.settings import BoxSettings
from lightning_pose.types import Boxes, BoxStatus, Problem, UserError

logger = logging.getLogger(__name__)

MIN_KEYPOINTS = 2  # fewer say nothing about the animal's size
STRAY_FACTOR = 4.0  # a keypoint this many times the median distance from the median point is a stray
STRAY_MIN_KEYPOINTS = 5


@dataclass(frozen=True)
class BoxRule:
    """Which keypoints a box is placed around, and how large it is; see `boxes_from_keypoints`."""

    columns: list[int]
    crop_ratio: float | None = None
    crop_size: int | None = None
    min_confidence: float = BoxSettings.min_confidence
    min_size: int = BoxSettings.min_size

    def usable(self, keypoints_px: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Return which of a frame's keypoints (K, 2) place its box, by number; none = too few."""
        columns = np.array(self.columns)
        points = keypoints_px[columns]
        seen = np.isfinite(points).all(-1) & (confidence[columns] >= self.min_confidence)
        kept = columns[seen][_no_strays(points[seen])]
        return kept if len(kept) >= min(MIN_KEYPOINTS, len(columns)) else kept[:0]

    def measure(self, points_px: np.ndarray) -> np.ndarray:
        """Return centre x, y and side of the square around keypoints (M, 2), before rounding."""
        low, high = points_px.min(0), points_px.max(0)
        # as x + w / 2: the centre of pixel 0 lies half a pixel from the box's edge
        center = (low + high + 1) / 2
        if self.crop_ratio is None:
            return np.array([*center, max(self.crop_size or 0, self.min_size)])
        return np.array([*center, max(self.crop_ratio * float((high - low).max()), self.min_size)])

    def square(self, measure: np.ndarray) -> np.ndarray:
        """Return the box x, y, w, h of whole pixels for a centre and a side."""
        center, side = measure[:2], float(measure[2])
        if self.crop_ratio is None:
            return np.array([*np.round(center - side / 2), side, side])
        corner = np.floor(center - side / 2)  # outwards to whole pixels
        whole = float((np.ceil(center + side / 2) - corner).max())
        return np.array([*corner, whole, whole])


def box_rule(
    keypoint_names: list[str],
    anchor_keypoints: Sequence[str] = (),
    crop_ratio: float | None = None,
    crop_size: int | None = None,
    min_confidence: float = BoxSettings.min_confidence,
    min_size: int = BoxSettings.min_size,
) -> BoxRule:
    """Return the rule that boxes are placed by.

    Parameters
    ----------
    keypoint_names : of the detector.
    anchor_keypoints : keypoints that define the box; none = all.
    crop_ratio : side of the box over the larger of the keypoints' spans in x and y.
    crop_size : side in pixels, instead.
    min_confidence : keypoints below are not looked at.
    min_size : least side in pixels.

    Raises
    ------
    UserError
        For an unknown anchor keypoint, or impossible settings.
    """
    columns = _anchor_columns(keypoint_names, anchor_keypoints)
    _check_settings(crop_ratio, crop_size, min_confidence, len(columns))
    return BoxRule(columns, crop_ratio, crop_size, min_confidence, min_size)


def rule_of(
    settings: BoxSettings, keypoint_names: list[str], anchor_keypoints: Sequence[str], crop_ratio: float
) -> BoxRule:
    """Return the rule that the settings ``workflow.boxes``, anchors and a crop ratio make."""
    ratio = crop_ratio if settings.fixed_size is None else None
    least = settings.min_confidence, settings.min_size
    return box_rule(keypoint_names, anchor_keypoints, ratio, settings.fixed_size, *least)


def boxes_from_keypoints(
    keypoints_px: np.ndarray,
    confidence: np.ndarray,
    index: list,
    frame_size: Callable[[int], tuple[int, int]],
    rule: BoxRule,
    warns: bool = True,
) -> Boxes:
    """Place a square box around the animal in each frame.

    Parameters
    ----------
    keypoints_px : array, (N, K, 2)
        Frame pixels; NaN = nothing predicted.
    confidence : array, (N, K)
    index : names of the rows.
    frame_size : gives the (height, width) of a row's frame; asked only where the detector saw nothing.
    rule : which keypoints a box is placed around, and how large it is.
    warns : whether to log in which frames nothing was seen.

    Notes
    -----
    Of five or more keypoints, those farther from their median point than `STRAY_FACTOR` times the median
    distance are left out, so that one or two strays cannot blow up the box. Fewer cannot outvote a stray.

    Returns
    -------
    Boxes
        Whole pixels. A frame with fewer than two usable keypoints gets the square that holds the whole
        frame, and the status ``fallback``.
    """
    boxes, status = np.empty((len(index), 4)), []
    for row in range(len(index)):
        used = rule.usable(keypoints_px[row], confidence[row])
        if len(used):
            boxes[row] = rule.square(rule.measure(keypoints_px[row, used]))
        else:
            boxes[row] = whole_frame(frame_size(row))
        status.append((BoxStatus.DETECTED if len(used) else BoxStatus.FALLBACK).value)
    if warns:
        warn_of_lost(list(index), status)
    return Boxes(list(index), boxes, status)


def whole_frame(frame_hw: tuple[int, int]) -> np.ndarray:
    """Return the square x, y, w, h that holds a whole frame in its middle."""
    height, width = frame_hw
    side = max(height, width)
    return np.array([(width - side) // 2, (height - side) // 2, side, side], dtype=float)


def warn_of_lost(index: list, status: list[str]) -> None:
    """Say in which frames no animal was found, so that they are kept whole."""
    lost = [str(name) for name, own in zip(index, status, strict=True) if own == BoxStatus.FALLBACK.value]
    if lost:
        logger.warning(
            "no animal found in %d of %d frames, which are kept whole: %s", len(lost), len(index), _few(lost)
        )


def _check_settings(
    crop_ratio: float | None, crop_size: int | None, min_confidence: float, keypoints: int
) -> None:
    if (crop_ratio is None) == (crop_size is None):
        found = "none" if crop_ratio is None else "both"
        raise UserError(Problem("crop_ratio, crop_size", "one of the two", found))
    for name, value in (("crop_ratio", crop_ratio), ("crop_size", crop_size)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UserError(Problem(name, "a number above 0", str(value)))
    if not 0 <= min_confidence <= 1:
        raise UserError(Problem("min_confidence", "a number from 0 to 1", str(min_confidence)))
    if crop_ratio is not None and keypoints < MIN_KEYPOINTS:
        expected = f"at least {MIN_KEYPOINTS} with crop_ratio, since one has no span (crop_size works)"
        raise UserError(Problem("anchor_keypoints", expected, str(keypoints)))


def _no_strays(points: np.ndarray) -> np.ndarray:
    """Return which keypoints (M, 2) are not far from all others, which would blow up the box."""
    if len(points) < STRAY_MIN_KEYPOINTS:
        return np.ones(len(points), dtype=bool)
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=-1)
    return distance <= STRAY_FACTOR * max(float(np.median(distance)), 1.0)


def _anchor_columns(keypoint_names: list[str], anchors: Sequence[str]) -> list[int]:
    problems = []
    for name in dict.fromkeys(anchors):
        if name not in keypoint_names:
            near = difflib.get_close_matches(name, keypoint_names, 1, 0)
            hint = f" (nearest: {near[0]})" if near else ""
            problems.append(
                Problem("anchor_keypoints", f"names among {', '.join(keypoint_names)}{hint}", name)
            )
    if problems:
        raise UserError(problems)
    return [keypoint_names.index(name) for name in dict.fromkeys(anchors or keypoint_names)]


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def join_boxes(parts: Sequence[Boxes]) -> Boxes:
    """Return boxes one after the other; what is not known of some is not known of any."""
    index: list[Any] = [number for own in parts for number in own.index]
    status = [own.status for own in parts if own.status is not None]
    confidence = [own.confidence for own in parts if own.confidence is not None]
    return Boxes(
        index,
        np.concatenate([own.xywh_px for own in parts]),
        [text for own in status for text in own] if len(status) == len(parts) else None,
        np.concatenate(confidence) if len(confidence) == len(parts) else None,
    )


def replace_boxes(boxes: Boxes, others: Boxes, rows: Sequence[int] | np.ndarray) -> Boxes:
    """Return boxes with those of some rows from others, of the same frames."""
    xywh_px, status, confidence = boxes.xywh_px.copy(), boxes.status, boxes.confidence
    xywh_px[rows] = others.xywh_px[rows]
    if status is not None and others.status is not None:
        taken = set(rows)
        status = [others.status[row] if row in taken else own for row, own in enumerate(status)]
    if confidence is not None and others.confidence is not None:
        confidence = confidence.copy()
        confidence[rows] = others.confidence[rows]
    return Boxes(boxes.index, xywh_px, status, confidence)
