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


def draw_trajectories(predictions: Predictions, upper_px: np.ndarray, paths: Sequence[Path]) -> None:
    """Draw x and y of each keypoint over the frames.

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
        for (k, axis_number), axis in np.ndenumerate(axes):
            values, half = predictions.keypoints_px[:, k, axis_number], upper_px[:, k]
            frames = np.asarray(predictions.index)
            axis.fill_between(
                frames,
                values - half,
                values + half,
                color=PALETTE[1],
                alpha=BAND,
                linewidth=0,
                rasterized=True,
            )
            axis.plot(frames, values, color=PALETTE[0], linewidth=0.7, rasterized=True)
            if axis_number == 0:
                axis.set_ylabel(names[k], rotation=0, ha="right", va="center")
        for axis, title in zip(axes[0], ("x (frame px)", "y (frame px)"), strict=True):
            axis.set_title(f"{title}; band: 95 % of errors are expected within", loc="left", fontsize=10)
        for axis in axes[-1]:
            axis.set_xlabel("frame")
        for path in paths:
            save_figure(figure, path, 110)
