"""Place bounding boxes around the animal, in frame pixels."""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Callable, Sequence

import numpy as np

from lightning_pose.types import Boxes, BoxStatus, Problem, UserError

logger = logging.getLogger(__name__)

MIN_BOX_PX = 8
MIN_KEYPOINTS = 2  # fewer say nothing about the animal's size
STRAY_FACTOR = 4.0  # a keypoint this many times the median distance from the median point is a stray
STRAY_MIN_KEYPOINTS = 5


def boxes_from_keypoints(
    keypoints_px: np.ndarray,
    confidence: np.ndarray,
    keypoint_names: list[str],
    index: list,
    frame_size: Callable[[int], tuple[int, int]],
    anchor_keypoints: Sequence[str] = (),
    crop_ratio: float | None = None,
    crop_size: int | None = None,
    min_confidence: float = 0.05,
) -> Boxes:
    """Place a square box around the animal in each frame.

    Parameters
    ----------
    keypoints_px : array, (N, K, 2)
        Frame pixels; NaN = nothing predicted.
    confidence : array, (N, K)
    keypoint_names : list of str
    index : names of the rows.
    frame_size : gives the (height, width) of a row's frame; asked only where the detector saw nothing.
    anchor_keypoints : keypoints that define the box; none = all.
    crop_ratio : side of the box over the larger of the keypoints' spans in x and y.
    crop_size : side in pixels, instead.
    min_confidence : keypoints below are not looked at.

    Notes
    -----
    Of five or more keypoints, those farther from their median point than `STRAY_FACTOR` times the median
    distance are left out, so that one or two strays cannot blow up the box. Fewer cannot outvote a stray.

    Returns
    -------
    Boxes
        Whole pixels. A frame with fewer than two usable keypoints gets the square that holds the whole
        frame, and the status ``fallback``. No box is smaller than `MIN_BOX_PX`.

    Raises
    ------
    UserError
        For an unknown anchor keypoint, or impossible settings.
    """
    columns = _anchor_columns(keypoint_names, anchor_keypoints)
    _check_settings(crop_ratio, crop_size, min_confidence, len(columns))
    boxes, status = np.empty((len(index), 4)), []
    for row in range(len(index)):
        points = keypoints_px[row, columns]
        seen = np.isfinite(points).all(-1) & (confidence[row, columns] >= min_confidence)
        points = _without_strays(points[seen])
        if len(points) < min(MIN_KEYPOINTS, len(columns)):
            height, width = frame_size(row)
            side = max(height, width)
            boxes[row] = (width - side) // 2, (height - side) // 2, side, side
            status.append(BoxStatus.FALLBACK.value)
        else:
            boxes[row] = _square_around(points, crop_ratio, crop_size)
            status.append(BoxStatus.DETECTED.value)
    lost = [str(index[row]) for row, name in enumerate(status) if name == BoxStatus.FALLBACK.value]
    if lost:
        logger.warning(
            "no animal found in %d of %d frames, which are kept whole: %s", len(lost), len(index), _few(lost)
        )
    return Boxes(list(index), boxes, status)


def _square_around(points: np.ndarray, crop_ratio: float | None, crop_size: int | None) -> np.ndarray:
    low, high = points.min(0), points.max(0)
    center = (low + high + 1) / 2  # as x + w / 2: the centre of pixel 0 lies half a pixel from the box's edge
    if crop_ratio is None:
        fixed = max(crop_size or 0, MIN_BOX_PX)
        return np.array([*np.round(center - fixed / 2), fixed, fixed])
    wanted = max(crop_ratio * float((high - low).max()), MIN_BOX_PX)
    corner = np.floor(center - wanted / 2)  # outwards to whole pixels
    side = float((np.ceil(center + wanted / 2) - corner).max())
    return np.array([*corner, side, side])


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


def _without_strays(points: np.ndarray) -> np.ndarray:
    """Drop keypoints far from all others, which would blow up the box."""
    if len(points) < STRAY_MIN_KEYPOINTS:
        return points
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=-1)
    return points[distance <= STRAY_FACTOR * max(float(np.median(distance)), 1.0)]


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
