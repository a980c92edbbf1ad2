"""Steadier boxes of a video, whatever tool placed them: a running median of x, y, w and h, each by itself.

`geometry.box_track` smooths what a detector saw, while boxes are placed.
"""

from __future__ import annotations

import numpy as np

AT_ONCE = 1 << 16  # boxes whose medians are looked for, windows and all


def running_median(frames: np.ndarray, xywh_px: np.ndarray, window: int) -> np.ndarray:
    """Return the median about each box, of those of frames up to half a window away.

    As many from before as from behind, also at the ends and beside gaps: a moving animal is not where more
    of them are. Medians of whole pixels are whole, and square boxes stay square.

    Parameters
    ----------
    frames : array, (N,)
        Numbers of the frames, in order.
    xywh_px : array, (N, 4)
        Their boxes in frame pixels; NaN = no box, and none comes in its place.
    window : an odd number of frames; 1 = none but the own.

    Returns
    -------
    array, (N, 4)
    """
    known = np.flatnonzero(np.isfinite(xywh_px).all(1))
    numbers, values, rows = frames[known], xywh_px[known], np.arange(len(known))
    before = rows - np.searchsorted(numbers, numbers - window // 2)
    behind = np.searchsorted(numbers, numbers + window // 2, side="right") - 1 - rows
    reach = np.minimum(before, behind)
    found = xywh_px.copy()
    for most in np.unique(reach):
        near, own = np.arange(-most, most + 1), rows[reach == most]
        for some in np.array_split(own, len(own) * len(near) // AT_ONCE + 1):
            found[known[some]] = np.median(values[some[:, None] + near], axis=1)
    return found
