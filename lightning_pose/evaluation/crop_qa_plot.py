"""Draw a crop QA: one page, as a vector PDF and as a picture. Its numbers are those of the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lightning_pose.evaluation.colors import PALETTE
from lightning_pose.evaluation.crop_qa import BORDER, FLAGS, CropQa, count_status, find_flags, row_minima
from lightning_pose.evaluation.plots import GREY, RASTER_FROM, STYLE, save_figure

GOOD, NEAR_COLOR, OUTSIDE_COLOR = PALETTE[0], PALETTE[4], PALETTE[1]
SHOWN = 20_000  # keypoints that are drawn; of more, as many are chosen evenly
AROUND = 0.25  # of a box's side, shown around it
WIDEST = 5.0  # times the usual box ratio: beyond, they are drawn at the end
UNKNOWN = "unknown"


def draw_crop_qa(qa: CropQa, title: str, paths: Sequence[Path], crop_ratio: float | None = None) -> None:
    """Draw the page.

    Parameters
    ----------
    qa : what is known of the crops.
    title : of the page.
    paths : files to write, whose suffixes tell the format.
    crop_ratio : what boxes were asked to be, over the keypoints' span; None = not shown.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 7.2))
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        axes = figure.subplots(2, 3)
        _positions(axes[0, 0], qa)
        _keypoints(axes[0, 1], qa)
        _numbers(axes[0, 2], qa)
        _ratios(axes[1, 0], qa, crop_ratio)
        _confidence(axes[1, 1], qa)
        _margins(axes[1, 2], qa)
        for path in paths:
            save_figure(figure, path, 130)


def _positions(axis: Axes, qa: CropQa) -> None:
    axis.set_title("keypoints in their boxes", loc="left", fontsize=10)
    positions, margins = qa.positions.reshape(-1, 2), qa.margins.ravel()
    known = np.flatnonzero(np.isfinite(margins))
    known = known[np.linspace(0, len(known) - 1, min(len(known), SHOWN)).astype(int)] if len(known) else known
    positions, margins = positions[known].clip(-AROUND, 1 + AROUND), margins[known]
    colors = np.where(margins < 0, OUTSIDE_COLOR, np.where(margins < BORDER, NEAR_COLOR, GOOD))
    across, down = positions.T
    size = np.where(margins < BORDER, 18, 5)
    axis.scatter(across, down, s=size, c=colors, alpha=0.5, linewidths=0, rasterized=len(known) > RASTER_FROM)
    axis.add_patch(Rectangle((0, 0), 1, 1, fill=False, linewidth=1.4))
    inner = 1 - 2 * BORDER
    axis.add_patch(Rectangle((BORDER, BORDER), inner, inner, fill=False, linestyle=":", edgecolor=GREY))
    low, high = -AROUND - 0.02, 1 + AROUND + 0.02
    axis.set(xlim=(low, high), ylim=(high, low), aspect="equal")
    axis.set_xlabel("share of the box's width")
    axis.set_ylabel("share of its height")


def _keypoints(axis: Axes, qa: CropQa) -> None:
    axis.set_title("keypoints that are amiss", loc="left", fontsize=10)
    known = np.maximum(np.isfinite(qa.margins).sum(0), 1)
    outside, near = (100 * own.sum(0) / known for own in (qa.outside, qa.near_border))
    places = np.arange(len(known))
    axis.barh(places, outside, color=OUTSIDE_COLOR, label="outside")
    axis.barh(places, near, left=outside, color=NEAR_COLOR, label=f"within {100 * BORDER:g} % of the border")
    axis.set_yticks(places, qa.keypoint_names, fontsize=8 if len(known) > 12 else 9)
    axis.set_ylim(1.2 * len(known) - 0.5, -0.5)  # from above, with room for the legend below the last bar
    axis.set_xlim(0, max(1.0, 1.25 * float((outside + near).max(initial=0))))
    axis.set_xlabel("% of a keypoint's frames")
    axis.legend(fontsize=8, loc="lower right")


def _numbers(axis: Axes, qa: CropQa) -> None:
    axis.axis("off")
    axis.set_title("frames", loc="left", fontsize=10)
    flags = find_flags(qa)
    lines = [("all", len(qa.names)), ("", None)]
    lines += [(name.replace("_", " "), int(flags[name].sum())) for name in FLAGS]
    lines += [("", None), *((f"box {name}", count) for name, count in count_status(qa.boxes).items())]
    for number, (name, count) in enumerate(lines):
        height = 0.95 - 0.07 * number
        axis.text(0, height, name, transform=axis.transAxes, fontsize=9.5)
        if count is not None:
            share = f"{count}   ({100 * count / max(len(qa.names), 1):.1f} %)"
            axis.text(0.55, height, share, transform=axis.transAxes, fontsize=9.5)


def _ratios(axis: Axes, qa: CropQa, crop_ratio: float | None) -> None:
    axis.set_title("size of boxes", loc="left", fontsize=10)
    ratios = qa.box_ratios[np.isfinite(qa.box_ratios)]
    axis.set(xlabel="side of the box / span of its keypoints", ylabel="frames")
    if not ratios.size:
        _nothing(axis)
        return
    usual = float(np.median(ratios))
    axis.hist(ratios.clip(max=WIDEST * usual), bins=40, color=GOOD)
    axis.axvline(usual, color="black", linewidth=1, label=f"median {usual:.2f}")
    if crop_ratio is not None:
        axis.axvline(crop_ratio, color=GREY, linestyle="--", linewidth=1, label=f"asked for {crop_ratio:g}")
    axis.legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none")  # over the lines


def _confidence(axis: Axes, qa: CropQa) -> None:
    whose = "predictions" if qa.boxes.confidence is None else "detector, where it looked"
    axis.set_title(f"confidence of the {whose}", loc="left", fontsize=10)
    axis.set(xlabel="mean of a frame's keypoints", ylabel="frames", xlim=(0, 1))
    confidence, groups = qa.frame_confidence, _by_status(qa)
    shown = {name: confidence[rows & np.isfinite(confidence)] for name, rows in groups.items()}
    shown = {name: values for name, values in shown.items() if values.size}
    if not shown:
        _nothing(axis)
        return
    colors = [color for name, color in _status_colors(groups).items() if name in shown]
    axis.hist(list(shown.values()), bins=40, range=(0, 1), stacked=True, color=colors, label=list(shown))
    axis.legend(fontsize=8, loc="upper left")


def _margins(axis: Axes, qa: CropQa) -> None:
    axis.set_title("the keypoint nearest to the border", loc="left", fontsize=10)
    axis.set(xlabel="frame, in order", ylabel="its distance / side of the box")
    margins, groups = row_minima(qa.margins), _by_status(qa)
    if not np.isfinite(margins).any():
        _nothing(axis)
        return
    colors = _status_colors(groups)
    for name, rows in groups.items():
        places = np.flatnonzero(rows)
        axis.scatter(
            places, margins[places].clip(-1, 0.5), s=5, color=colors[name], alpha=0.6, linewidths=0,
            label=name, rasterized=len(margins) > RASTER_FROM,
        )  # fmt: skip
    axis.axhline(0, color=OUTSIDE_COLOR, linewidth=1)
    axis.axhline(BORDER, color=NEAR_COLOR, linewidth=1, linestyle="--")
    axis.margins(y=0.2)  # room for the legend
    axis.legend(fontsize=8, markerscale=2, loc="upper right")


def _by_status(qa: CropQa) -> dict[str, np.ndarray]:
    """Return which frames have which status of their box."""
    status = np.array(qa.boxes.status if qa.boxes.status is not None else [UNKNOWN] * len(qa.names))
    return {name: status == name for name in count_status(qa.boxes) or [UNKNOWN]}


def _status_colors(groups: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(groups)}


def _nothing(axis: Axes) -> None:
    axis.text(0.5, 0.5, "nothing to show", ha="center", color=GREY, transform=axis.transAxes)
