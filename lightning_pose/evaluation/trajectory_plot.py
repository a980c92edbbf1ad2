"""Draw trajectories of a video's keypoints in bands of their expected error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from lightning_pose.evaluation.colors import PALETTE
from lightning_pose.evaluation.plots import STYLE, save_figure
from lightning_pose.types import Predictions

BAND = 0.25  # opacity
MARGIN = 0.3  # beside the trajectory, as a share of its range
COLUMNS = 1200  # that a line is drawn with


def draw_trajectories(predictions: Predictions, upper_px: np.ndarray, paths: Sequence[Path]) -> None:
    """Draw x and y of each keypoint over the frames.

    Of a long video, each of `COLUMNS` stretches is drawn from its lowest to its highest value, so that no
    jump is lost.

    Parameters
    ----------
    predictions : of a video, in frame pixels.
    upper_px : array, (N, K)
        Half the width of the bands: the upper end of the errors' interval; NaN = no band.
    paths : files to write, whose suffixes tell the format.
    """
    names = predictions.keypoint_names
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 1 + 1.3 * len(names)))
        axes = figure.subplots(len(names), 2, sharex=True, squeeze=False)
        frames = np.asarray(predictions.index, float)
        for (k, axis_number), axis in np.ndenumerate(axes):
            values, half = predictions.keypoints_px[:, k, axis_number], upper_px[:, k]
            starts, low, high = stretches(frames, values - half, values + half)
            axis.fill_between(starts, low, high, color=PALETTE[1], alpha=BAND, linewidth=0)
            starts, low, high = stretches(frames, values, values)
            axis.plot(np.repeat(starts, 2), np.stack([low, high], 1).ravel(), color=PALETTE[0], linewidth=0.7)
            if np.isfinite(values).any():  # where the band is wide, it leaves the panel
                least, most = np.nanmin(values), np.nanmax(values)
                margin = max(MARGIN * (most - least), 1.0)
                axis.set_ylim(least - margin, most + margin)
            if axis_number == 0:
                axis.set_ylabel(names[k], rotation=0, ha="right", va="center")
        for axis, title in zip(axes[0], ("x (frame px)", "y (frame px)"), strict=True):
            axis.set_title(f"{title}; band: 95 % of errors are expected within", loc="left", fontsize=10)
        for axis in axes[-1]:
            axis.set_xlabel("frame")
        for path in paths:
            save_figure(figure, path, 110)


def stretches(
    frames: np.ndarray, low: np.ndarray, high: np.ndarray, columns: int = COLUMNS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first frame, the least and the largest value of at most so many stretches of equal length.

    Parameters
    ----------
    frames, low, high : arrays, (N,)
        NaN = unknown; of a stretch without any value, least and largest are NaN.
    """
    each = max(-(-len(frames) // columns), 1)
    starts = np.arange(0, len(frames), each)
    least = np.fmin.reduceat(low, starts) if len(frames) else low
    most = np.fmax.reduceat(high, starts) if len(frames) else high
    return frames[starts], least, most
