"""Errors with their intervals, single against pose, and training curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lightning_pose.evaluation.calibration import LEVEL
from lightning_pose.evaluation.kind_comparison import RESAMPLINGS, Difference, kind_differences
from lightning_pose.evaluation.ood_input import Comparison, MissingMember
from lightning_pose.evaluation.report.charts import ErrorRow, error_panel, line_legend, line_panel
from lightning_pose.evaluation.report.contents import Contents, LabelledSet, Model
from lightning_pose.evaluation.report.html import Cell, Markup, details, element, join, table
from lightning_pose.evaluation.report.numbers import Member
from lightning_pose.evaluation.report.overview import FRAMES, verdict
from lightning_pose.evaluation.report.text import UNKNOWN, counted, interval_px, px
from lightning_pose.evaluation.sweep_table import cells as sweep_cells
from lightning_pose.io.curves import Points

VALIDATION, LOSS = "val_pixel_error", "train_loss"  # tags of curves
VERDICTS = {"better": "good", "worse": "bad"}  # classes of the style


def errors(contents: Contents) -> Markup:
    """Return the section of both sets."""
    if not contents.sets:
        return element("p", "No labelled sets are known.", class_="faint")
    return join([_set(own, contents.compared) for own in contents.sets])


def expected_errors(contents: Contents) -> Markup:
    """Return the section of how often the intervals of expected errors hold."""
    if not contents.coverages:
        text = "Not calibrated yet: litpose calibrate, or snakemake expected_errors with videos, does it."
        return element("p", text, class_="faint")
    rows: list[list[Cell]] = [
        [kind, name, str(number), f"{100 * share:.1f} %" if number else UNKNOWN]
        for kind, sets in contents.coverages.items()
        for name, (share, number) in sets.items()
    ]
    about = (
        "An ensemble's deviation, confidence and PCA error tell how wrong a keypoint probably is. Labelled "
        f"frames are foretold by a calibration that did not see them; {100 * LEVEL:.0f} % of the errors "
        "should lie in their interval."
    )
    header = ["ensemble", "frames", "errors", f"in their {100 * LEVEL:.0f} % interval"]
    return join([table("Intervals of expected errors", header, rows), element("p", about, class_="faint")])


def _set(own: LabelledSet, members: Sequence[Member]) -> Markup:
    title = element("h3", own.name)
    if own.comparison is None:
        return join([title, element("p", f"No model was scored on {own.csv} yet.", class_="faint")])
    frames = counted(len(own.comparison.frames), f"{FRAMES[own.name]} frame")
    known = int(np.isfinite(own.comparison.errors).any(0).sum())
    about = f"{frames} of {own.csv} with {counted(known, 'labelled keypoint')}."
    note = element("p", own.comparison.note, class_="notice") if own.comparison.note else None
    return join([title, element("p", about), note, _numbers(own, own.comparison, members),
                 _differences(own.comparison), _keypoints(own.comparison)])  # fmt: skip


def _numbers(own: LabelledSet, comparison: Comparison, members: Sequence[Member]) -> Markup:
    scored = set(zip(comparison.kinds, comparison.seeds, strict=True))
    absent = [
        MissingMember(member.kind, member.seed)
        for member in members
        if (member.kind, member.seed) not in scored
    ]
    rows: list[list[Cell]] = []
    drawn = []
    for cell in sweep_cells(comparison, absent):
        count = len(cell.seeds) + len(cell.missing)
        interval = cell.mean.interval()
        ensemble = own.ensembles.get(cell.kind, math.nan)
        rows.append(
            [cell.kind, f"{cell.mean.count} of {count}", px(cell.mean.mean), interval_px(*interval),
             px(cell.median.mean), interval_px(*cell.median.interval()), px(ensemble)]
        )  # fmt: skip
        seeds = [float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
                 for values in comparison.of_kind(cell.kind)]  # fmt: skip
        drawn.append(ErrorRow(cell.kind, seeds, cell.mean.mean, interval))
    header = ["kind", "seeds", "mean, px", "95 % interval over seeds", "median, px",
              "95 % interval over seeds", "mean of the ensemble, px"]  # fmt: skip
    if not own.ensembles:
        header, rows = header[:-1], [row[:-1] for row in rows]
    told = f"Mean pixel errors on {FRAMES[own.name]} frames, as in the table: seeds, mean, interval"
    caption = "Rings: seeds. Dot and bar: their mean and its 95 % interval (Student's t)."
    chart = element("figure", error_panel(drawn, told), element("figcaption", caption))
    return join([table(f"{own.name}: errors in frame pixels", header, rows), chart])


def _differences(comparison: Comparison) -> Markup | None:
    found = kind_differences(comparison)
    if not found:
        return None
    first = comparison.kinds[0]
    against = [own for own in found if own.versus == first]
    others = [own for own in found if own.versus != first]
    about = (
        "Difference of errors keypoint by keypoint, each averaged over the seeds; the interval is by "
        f"resampling whole frames {RESAMPLINGS:,} times. An interval that holds 0 is no gain."
    )
    caption = f"{comparison.name}: each kind against {first}"
    parts = [_pairs(caption, against), element("p", about, class_="faint")]
    if others:
        parts.append(details("The other pairs", _pairs(f"{comparison.name}: the other pairs", others)))
    return join(parts)


def _pairs(caption: str, pairs: Sequence[Difference]) -> Markup:
    header = ["kind", "less that of", "frames", "difference, px", "95 % interval", "so it is"]
    rows: list[list[Cell]] = [
        [own.kind, own.versus, str(own.frames), px(own.mean), interval_px(own.low, own.high),
         (verdict(own), VERDICTS.get(verdict(own), "faint"))]
        for own in pairs
    ]  # fmt: skip
    return table(caption, header, rows)


def _keypoints(comparison: Comparison) -> Markup:
    """Return the median error of each keypoint, over frames and seeds."""
    kinds = list(dict.fromkeys(comparison.kinds))
    rows = []
    for k, name in enumerate(comparison.keypoint_names):
        values = [comparison.of_kind(kind)[:, :, k] for kind in kinds]
        medians = [float(np.median(own[np.isfinite(own)])) if np.isfinite(own).any() else math.nan
                   for own in values]  # fmt: skip
        rows.append([name, *map(px, medians)])
    own = table(f"{comparison.name}: median error of each keypoint, px", ["keypoint", *kinds], rows)
    return details("Keypoint by keypoint", own)


def curves(contents: Contents) -> Markup:
    """Return the section of training curves: a panel for each kind."""
    known = [own for own in contents.models if own.curves]
    if not known:
        return element("p", "No training has left curves yet.", class_="faint")
    seeds = list(dict.fromkeys(own.dir.seed for own in contents.models))
    parts = [line_legend([f"seed {seed}" for seed in seeds])]
    panels = [_panels(kind, contents.of_kind(kind), seeds) for kind in contents.kinds]
    parts.append(element("div", *panels, class_="panels"))
    header = [
        "model",
        "steps",
        "least validation error, px",
        "at step",
        "last validation error, px",
        "last loss",
    ]
    parts.append(table("Trainings", header, [_curve_row(own) for own in known]))
    return join(parts)


def _panels(kind: str, models: Sequence[Model], seeds: Sequence[str]) -> Markup:
    by_seed = {own.dir.seed: own.curves for own in models}
    found: list[Markup] = []
    for tag, name, axis in (
        (VALIDATION, "validation error", "px of labelled images"),
        (LOSS, "training loss", "loss"),
    ):
        # every seed has a place, so that its look is the same in all panels
        lines: dict[str, Points] = {f"seed {seed}": by_seed.get(seed, {}).get(tag, {}) for seed in seeds}
        told = f"{name} of {kind} over the steps of the training, a line for each seed"
        caption = element("figcaption", element("strong", kind), f": {name}")
        found.append(element("figure", caption, line_panel(lines, "step", axis, told)))
    return join(found)


def _curve_row(own: Model) -> list[Cell]:
    errors = {step: value for step, value in own.curves.get(VALIDATION, {}).items() if math.isfinite(value)}
    losses = list(own.curves.get(LOSS, {}).values())
    last = max((max(points) for points in own.curves.values()), default=0)
    best = min(errors, key=lambda step: errors[step]) if errors else None
    return [
        own.dir.path.name,
        str(last),
        UNKNOWN if best is None else px(errors[best]),
        UNKNOWN if best is None else str(best),
        px(list(errors.values())[-1]) if errors else UNKNOWN,
        f"{losses[-1]:.4g}" if losses else UNKNOWN,
    ]
