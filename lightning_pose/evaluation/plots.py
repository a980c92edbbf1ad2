"""Draw the OOD plots: a vector PDF of five pages. Nothing is computed here that is not in the table."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from lightning_pose.evaluation.colors import PALETTE, kind_colors
from lightning_pose.evaluation.kind_comparison import Difference, kind_differences
from lightning_pose.evaluation.ood import paired
from lightning_pose.evaluation.ood_input import ALL, Comparison
from lightning_pose.evaluation.ood_table import curves, keypoint_quantiles, risks, summary
from lightning_pose.io.files import write_atomic
from lightning_pose.types import Problem, UserError

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS, HATCHES = "o^sD", ("", "////", "....", "xxxx")  # each for as many kinds as there are colours
MOST_DRAWN = 20_000  # points of a kind in a scatter; of more, a random sample
RASTER_FROM = 2000  # points; above, a scatter is drawn as an image inside the vector page
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a $
    "figure.constrained_layout.use": True,
}
PRINTED_DPI = 200
UNTIMED: dict[str, Any] = {".pdf": {"CreationDate": None}, ".png": {"Software": None}, ".svg": {"Date": None}}
GREY = "#6e6e6e"
NOTE_WIDTH = 68  # characters that fit over a panel
LEGEND_WIDTH, HANDLE_WIDTH = 130, 8  # characters that fit into a row of a page, and that a line takes
LEGEND_ROW = 0.2  # inches
TABLE_WIDTH, TABLE_FONT = 132, 9.5  # characters that fit into a row of a table, in that size
ERROR_LABEL = "pixel error (frame px)"
SPREAD_LABEL = "ensemble standard deviation (frame px)"


def draw_ood_plots(
    comparisons: list[Comparison],
    path: Path,
    colors: Mapping[str, str] | None = None,
    figures_dir: Path | None = None,
) -> None:
    """Draw all pages.

    Parameters
    ----------
    comparisons : InD and OOD.
    path : the PDF to write.
    colors : hex colours by kind, over the palette.
    figures_dir : folder for each page as a PDF and a PNG of its own; None = none.
    """
    kinds = list(dict.fromkeys(kind for comparison in comparisons for kind in comparison.kinds))
    chosen = kind_colors(kinds, colors)
    pages = {
        "error_vs_deviation": _curve_page,
        "risk_coverage": _risk_page,
        "error_per_keypoint": _keypoint_page,
        "error_scatter": _scatter_page,
        "numbers": _numbers_page,
    }
    with mpl.rc_context(STYLE), write_atomic(path) as temporary:
        metadata = {
            "Title": "Pixel error and ensemble standard deviation",
            "CreationDate": None,
            "ModDate": None,
        }
        with PdfPages(temporary, metadata=metadata) as pdf:
            for name, draw in pages.items():
                figure = draw(comparisons, chosen)
                pdf.savefig(figure, dpi=PRINTED_DPI)
                if figures_dir is not None:
                    for suffix in (".pdf", ".png"):
                        save_figure(figure, figures_dir / f"{name}{suffix}", 130)


def check_format(path: Path) -> str:
    """Return the suffix that tells a figure's format.

    Raises
    ------
    UserError
        If no figure is written so.
    """
    suffix = path.suffix.lower()
    if suffix not in UNTIMED:
        raise UserError(Problem(str(path), f"a name that ends in {', '.join(UNTIMED)}", suffix or "none"))
    return suffix


def save_figure(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure in the format that the path's suffix tells, without the time of its making.

    Parameters
    ----------
    figure : to write.
    path : ends in .pdf, .png or .svg.
    dpi : of pictures; a PDF has `PRINTED_DPI`.

    Raises
    ------
    UserError
        If it ends otherwise.
    """
    suffix = check_format(path)
    with write_atomic(path) as temporary, mpl.rc_context({"svg.hashsalt": "lightning_pose"}):
        resolution = PRINTED_DPI if suffix == ".pdf" else dpi
        figure.savefig(temporary, dpi=resolution, metadata=UNTIMED[suffix], format=suffix.removeprefix("."))


def _panels(
    comparisons: list[Comparison], size: tuple[float, float], sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size)
    axes = figure.subplots(1, len(comparisons), squeeze=False, sharex=sharex, sharey=True)[0]
    for axis, comparison in zip(axes, comparisons, strict=True):
        axis.set_title(_title(comparison), loc="left", fontsize=10)
    return figure, list(axes)


def _title(comparison: Comparison) -> str:
    which = {"InD": "in distribution, held-out frames", "OOD": "out of distribution"}
    lines = f"{comparison.name} ({which.get(comparison.name, '')}; {len(comparison.frames)} frames)"
    return f"{lines}\n{_wrapped(comparison.note)}" if comparison.note else lines


def _wrapped(note: str) -> str:
    return textwrap.fill(note, NOTE_WIDTH)


def _curve_page(comparisons: list[Comparison], colors: Mapping[str, str]) -> Figure:
    figure, axes = _panels(comparisons, (11, 4.8))
    for axis, comparison in zip(axes, comparisons, strict=True):
        share_axis = axis.twinx()
        share_axis.spines["right"].set_visible(True)
        share_axis.grid(False)
        for i, (kind, curve) in enumerate(curves(comparison).items()):
            color, dash = colors[kind], DASHES[i % len(DASHES)]
            axis.plot(curve.thresholds, curve.mean, linestyle=dash, color=color, linewidth=1.8, label=kind)
            low, high = curve.mean - curve.standard_error, curve.mean + curve.standard_error
            axis.fill_between(curve.thresholds, low, high, color=color, alpha=0.18, linewidth=0)
            if i == 0:
                share_axis.plot(curve.thresholds, 100 * curve.share, color=GREY, linewidth=0.9)
        share_axis.set_ylim(0, 105)
        share_axis.set_ylabel("keypoints left (%)", color=GREY)
        share_axis.tick_params(colors=GREY)
        axis.set(xlabel=f"threshold on the {SPREAD_LABEL}", ylabel=f"mean {ERROR_LABEL}")
        axis.set_zorder(share_axis.get_zorder() + 1)
        axis.patch.set_visible(False)
    _logarithmic(axes)
    means = np.concatenate([curve.mean for own in comparisons for curve in curves(own).values()])
    if (means > 0).any():  # a band may reach down to nearly 0
        least = 0.5 * means[means > 0].min()
        axes[0].set_ylim(bottom=max(axes[0].get_ylim()[0], least))
    _legend(figure, axes[0])
    return figure


def _risk_page(comparisons: list[Comparison], colors: Mapping[str, str]) -> Figure:
    figure, axes = _panels(comparisons, (11, 4.8))
    for axis, comparison in zip(axes, comparisons, strict=True):
        for i, (kind, curve) in enumerate(risks(comparison).items()):
            dropped, dash = 100 * (1 - curve.coverage), DASHES[i % len(DASHES)]
            axis.plot(dropped, curve.mean, linestyle=dash, color=colors[kind], linewidth=1.8, label=kind)
        axis.set(
            xlabel=f"least certain keypoints dropped (%), by {SPREAD_LABEL.removesuffix(' (frame px)')}",
            ylabel=f"mean {ERROR_LABEL} of the others",
            xlim=(-2, 100),
        )
        if not np.isfinite(axis.dataLim.y1):
            axis.text(0.5, 0.5, "nothing to show", ha="center", color=GREY, transform=axis.transAxes)
    axes[0].set_ylim(bottom=0)
    _legend(figure, axes[0])
    return figure


def _logarithmic(axes: list[Axes], both: bool = True) -> None:
    """Make axes logarithmic, with ticks as plain numbers; a panel without positive numbers says so."""
    for axis in axes:
        if not np.isfinite(axis.dataLim.minpos).all():
            axis.text(0.5, 0.5, "nothing to show", ha="center", color=GREY, transform=axis.transAxes)
            continue
        axis.set_xscale("log")
        if both:
            axis.set_yscale("log")
        for direction in (axis.xaxis, axis.yaxis) if both else (axis.xaxis,):
            direction.set_major_locator(LogLocator(subs=(1, 2, 5)))
            direction.set_minor_locator(NullLocator())
            direction.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure: Figure, axis: Axes) -> None:
    """Put the kinds over the panels, in as many columns as the page has room for."""
    handles, labels = axis.get_legend_handles_labels()
    fitting = LEGEND_WIDTH // (max(map(len, labels)) + HANDLE_WIDTH)
    columns = max(min(len(labels), 5, fitting), 1)
    figure.legend(handles, labels, loc="outside upper right", ncols=columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (math.ceil(len(labels) / columns) - 1))


def _legend_below(axis: Axes, title: str) -> None:
    legend = axis.legend(
        title=title, loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.5, alignment="left",
        fontsize="small", markerscale=2,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)


def _round(kind_number: int, looks: Sequence[str]) -> str:
    """Return what tells a kind from those of the same colour."""
    return looks[kind_number // len(PALETTE) % len(looks)]


def _keypoint_page(comparisons: list[Comparison], colors: Mapping[str, str]) -> Figure:
    names = comparisons[0].keypoint_names
    each = max(0.42, 0.09 * len(set(comparisons[0].kinds)))
    figure, axes = _panels(comparisons, (11, max(4.6, each * len(names) + 1.2)))
    for axis, comparison in zip(axes, comparisons, strict=True):
        kinds = list(dict.fromkeys(comparison.kinds))
        height = 0.8 / len(kinds)
        for i, kind in enumerate(kinds):
            found = [
                dict(zip(("whislo", "q1", "med", "q3", "whishi"), own, strict=True))
                for own in keypoint_quantiles(comparison, kind)
            ]
            positions = [k - 0.4 + (i + 0.5) * height for k in range(len(names))]
            boxes = axis.bxp(
                found, positions=positions, widths=0.8 * height, orientation="horizontal",
                showfliers=False, patch_artist=True, medianprops={"color": "black", "linewidth": 1.1},
            )  # fmt: skip
            look: dict[str, Any] = {"facecolor": colors[kind], "alpha": 0.75, "hatch": _round(i, HATCHES)}
            for box in boxes["boxes"]:
                box.set(linewidth=0.6, **look)
            axis.fill_between([], [], label=kind, **look)
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel(f"{ERROR_LABEL}: median, quartiles,\n5th to 95th percentile")
    _logarithmic(axes, both=False)
    axes[0].invert_yaxis()
    _legend(figure, axes[0])
    return figure


def _scatter_page(comparisons: list[Comparison], colors: Mapping[str, str]) -> Figure:
    kinds = set(comparisons[0].kinds)
    figure, axes = _panels(comparisons, (11, 4.8 + LEGEND_ROW * len(kinds)), sharex=True)
    for axis, comparison in zip(axes, comparisons, strict=True):
        for i, kind in enumerate(dict.fromkeys(comparison.kinds)):
            errors, spread = paired(comparison.of_kind(kind), comparison.deviation)
            rho = summary(comparison, kind)["spearman"]
            label = f"{kind}: {_shown(rho)}"
            if errors.size > MOST_DRAWN:
                label += f" ({MOST_DRAWN:,} of {errors.size:,} drawn)"
                drawn = np.random.default_rng(0).choice(errors.size, MOST_DRAWN, replace=False)
                errors, spread = errors[drawn], spread[drawn]
            axis.scatter(
                np.maximum(spread, 1e-2), np.maximum(errors, 1e-2), s=6, alpha=0.35, linewidths=0,
                color=colors[kind], label=label, rasterized=errors.size > RASTER_FROM,
                marker=_round(i, MARKERS),
            )  # fmt: skip
        axis.set(xlabel=SPREAD_LABEL, ylabel=ERROR_LABEL)
        _legend_below(axis, title="Spearman's \N{GREEK SMALL LETTER RHO}")
    _logarithmic(axes)
    return figure


def _numbers_page(comparisons: list[Comparison], colors: Mapping[str, str]) -> Figure:
    header = ["set", "model", "n", "mean", "median", "90th pct."]
    header += ["Spearman", "of mean error", "AUROC >5 px", "AUROC >10 px"]
    cells = []
    for comparison in comparisons:
        kinds = list(dict.fromkeys(comparison.kinds))
        for kind in kinds if len(kinds) == 1 else [*kinds, ALL]:
            numbers = list(summary(comparison, kind).values())
            cells.append(
                [comparison.name, kind, f"{numbers[0]:.0f}", *(_shown(value) for value in numbers[1:])]
            )
    differences = [(own.name, found) for own in comparisons for found in _against_first(own)]
    rows = [len(cells), *([len(differences)] if differences else [])]
    figure = Figure(figsize=(11, 0.4 + 0.75 * len(rows) + 0.36 * sum(rows)))
    axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[count + 2 for count in rows])[:, 0]
    title = "Errors in frame px over all labelled keypoints and members"
    notes = [f"{own.name}: {own.note}" for own in comparisons if own.note]
    _table(axes[0], "\n".join([title, *map(_wrapped, notes)]), header, cells, colors)
    if differences:
        _difference_table(axes[1], differences, colors)
    return figure


def _against_first(comparison: Comparison) -> list[Difference]:
    """Return how each kind compares with the first one; the table has the other pairs too."""
    return [own for own in kind_differences(comparison) if own.versus == comparison.kinds[0]]


def _difference_table(
    axis: Axes, differences: list[tuple[str, Difference]], colors: Mapping[str, str]
) -> None:
    header = ["set", "model", "less that of", "frames", "difference", "95 % interval", "clear of 0"]
    cells = [
        [
            name, own.kind, own.versus, f"{own.frames}", _shown(own.mean),
            "undefined" if np.isnan(own.low) else f"{own.low:.2f} to {own.high:.2f}",
            "yes" if own.is_clear else "no",
        ]
        for name, own in differences
    ]  # fmt: skip
    title = "Difference of mean error in frame px, keypoint by keypoint; interval by resampling whole frames"
    _table(axis, title, header, cells, colors)


def _table(
    axis: Axes, title: str, header: list[str], cells: list[list[str]], colors: Mapping[str, str]
) -> None:
    """Draw rows of cells, the second of which names a kind."""
    axis.axis("off")
    axis.set_title(title, loc="left", fontsize=10)
    widths = [max(map(len, column)) + 4 for column in zip(header, *cells, strict=True)]
    table = axis.table(
        cells, colLabels=header, loc="upper center", cellLoc="right", colLoc="right", edges="horizontal",
        colWidths=[width / sum(widths) for width in widths],
    )  # fmt: skip
    table.scale(1, 1.5)
    table.auto_set_font_size(False)
    table.set_fontsize(TABLE_FONT * min(1.0, TABLE_WIDTH / sum(widths)))
    for row, texts in enumerate(cells, 1):
        table[row, 1].get_text().set_color(colors.get(texts[1], "black"))


def _shown(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.2f}"
