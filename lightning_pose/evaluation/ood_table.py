"""The tidy table behind the plots: every number that is drawn, one a row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.kind_comparison import kind_differences
from lightning_pose.evaluation.metrics import summarize
from lightning_pose.evaluation.ood import (
    ErrorCurve,
    auroc,
    default_thresholds,
    error_curve,
    mean_over_members,
    paired,
    spearman,
)
from lightning_pose.evaluation.ood_input import ALL, Comparison
from lightning_pose.evaluation.risk_coverage import RiskCurve, risk_curve
from lightning_pose.io.files import write_atomic
from lightning_pose.io.tables import format_number, text_cell

COLUMNS = (
    "figure", "set", "kind", "versus", "seed", "frame", "keypoint", "threshold", "coverage", "statistic",
    "value", "n",
)  # fmt: skip
LIMITS_PX = (5.0, 10.0)
OF_ERRORS = ("n", "mean", "median", "p90")  # need no standard deviation
Row = tuple[str, ...]


def curves(comparison: Comparison) -> dict[str, ErrorCurve]:
    """Return the error curve of each kind, over the same thresholds."""
    thresholds = default_thresholds(comparison.deviation)
    return {
        kind: error_curve(comparison.of_kind(kind), comparison.deviation, thresholds)
        for kind in dict.fromkeys(comparison.kinds)
    }


def risks(comparison: Comparison) -> dict[str, RiskCurve]:
    """Return the risk-coverage curve of each kind; all drop the same keypoints."""
    kinds = dict.fromkeys(comparison.kinds)
    return {kind: risk_curve(comparison.of_kind(kind), comparison.deviation) for kind in kinds}


def summary(comparison: Comparison, kind: str) -> dict[str, float]:
    """Return the numbers of one kind, or of all: errors in frame pixels, rank statistics without unit."""
    errors = comparison.of_kind(kind)
    numbers = {**summarize(errors), "spearman": spearman(errors, comparison.deviation)}
    numbers["spearman_of_mean"] = spearman(mean_over_members(errors), comparison.deviation)
    for limit in LIMITS_PX:
        numbers[f"auroc_{limit:g}px"] = auroc(errors, comparison.deviation, limit)
    return numbers


def table_rows(comparison: Comparison) -> Iterator[Row]:
    """Yield every number of the plots."""
    yield from _curve_rows(comparison)
    yield from _risk_rows(comparison)
    yield from _comparison_rows(comparison)
    yield from _summary_rows(comparison)
    yield from _member_rows(comparison)
    yield from _sample_rows(comparison)


def _row(figure: str, name: str, kind: str, statistic: str, value: float, n: int, **place: str) -> Row:
    texts = {"figure": figure, "set": name, "kind": kind, "statistic": statistic, **place}
    cells = {column: text_cell(text) for column, text in texts.items()}
    cells |= {"value": format_number(float(value)), "n": str(n)}
    return tuple(cells.get(column, "") for column in COLUMNS)


def _curve_rows(comparison: Comparison) -> Iterator[Row]:
    for kind, curve in curves(comparison).items():
        for i, (threshold, count) in enumerate(zip(curve.thresholds, curve.count, strict=True)):
            for statistic in ("mean", "standard_error", "share"):
                value = getattr(curve, statistic)[i]
                place = {"threshold": format_number(float(threshold))}
                yield _row("curve", comparison.name, kind, statistic, value, int(count), **place)


def _risk_rows(comparison: Comparison) -> Iterator[Row]:
    for kind, curve in risks(comparison).items():
        for coverage, mean, count in zip(curve.coverage, curve.mean, curve.count, strict=True):
            place = {"coverage": format_number(float(coverage))}
            yield _row("risk_coverage", comparison.name, kind, "mean", mean, int(count), **place)


def _comparison_rows(comparison: Comparison) -> Iterator[Row]:
    for own in kind_differences(comparison):
        numbers = {"difference": own.mean, "interval_low": own.low, "interval_high": own.high}
        for statistic, value in numbers.items():
            place = {"versus": own.versus}
            yield _row("comparison", comparison.name, own.kind, statistic, value, own.frames, **place)


def _summary_rows(comparison: Comparison) -> Iterator[Row]:
    for kind in (*dict.fromkeys(comparison.kinds), ALL):
        numbers = summary(comparison, kind)
        errors = comparison.of_kind(kind)
        pairs = paired(errors, comparison.deviation)[0].size
        counts = dict.fromkeys(OF_ERRORS, int(numbers["n"]))
        counts["spearman_of_mean"] = paired(mean_over_members(errors), comparison.deviation)[0].size
        for statistic, value in numbers.items():
            count = counts.get(statistic, pairs)
            yield _row("summary", comparison.name, kind, statistic, value, count)


def _member_rows(comparison: Comparison) -> Iterator[Row]:
    """Yield of each member its errors and whether it diverged; of those that are missing, that they are."""
    reasons = comparison.diverged or [""] * len(comparison.kinds)
    for kind, seed, errors, reason in zip(
        comparison.kinds, comparison.seeds, comparison.errors, reasons, strict=True
    ):
        numbers = summarize(errors)
        count = int(numbers.pop("n"))
        for statistic, value in {**numbers, "diverged": float(bool(reason)), "missing": 0.0}.items():
            yield _row("members", comparison.name, kind, statistic, value, count, seed=seed)
    for own in comparison.missing:
        yield _row("members", comparison.name, own.kind, "missing", 1.0, 0, seed=own.seed)


def _sample_rows(comparison: Comparison) -> Iterator[Row]:
    members = list(zip(comparison.kinds, comparison.seeds, strict=True))
    for i, frame in enumerate(comparison.frames):
        for k, keypoint in enumerate(comparison.keypoint_names):
            place = {"frame": frame, "keypoint": keypoint}
            spread = comparison.deviation[i, k]
            yield _row("samples", comparison.name, ALL, "standard_deviation", spread, len(members), **place)
            for m, (kind, seed) in enumerate(members):
                error = comparison.errors[m, i, k]
                if np.isfinite(error):
                    yield _row("samples", comparison.name, kind, "pixel_error", error, 1, seed=seed, **place)


def write_table(comparisons: list[Comparison], path: Path) -> None:
    """Write ``ood_metrics.csv``."""
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for comparison in comparisons:
            writer.writerows(table_rows(comparison))
