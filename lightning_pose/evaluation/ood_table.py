"""The tidy table behind the plots: every number that is drawn, one a row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.ood import ErrorCurve, auroc, default_thresholds, error_curve, paired, spearman
from lightning_pose.evaluation.ood_input import Comparison
from lightning_pose.io.files import write_atomic
from lightning_pose.io.tables import format_number

COLUMNS = ("figure", "set", "kind", "seed", "frame", "keypoint", "threshold", "statistic", "value", "n")
LIMITS_PX = (5.0, 10.0)
Row = tuple[str, ...]


def curves(comparison: Comparison) -> dict[str, ErrorCurve]:
    """Return the error curve of each kind, over the same thresholds."""
    thresholds = default_thresholds(comparison.deviation)
    return {
        kind: error_curve(comparison.of_kind(kind), comparison.deviation, thresholds)
        for kind in dict.fromkeys(comparison.kinds)
    }


def summary(comparison: Comparison, kind: str) -> dict[str, float]:
    """Return the numbers of one kind: errors in frame pixels, rank statistics without unit."""
    errors = comparison.of_kind(kind)
    finite = errors[np.isfinite(errors)]
    nothing = finite.size == 0
    numbers = {
        "n": float(finite.size),
        "mean": float("nan") if nothing else float(finite.mean()),
        "median": float("nan") if nothing else float(np.median(finite)),
        "p90": float("nan") if nothing else float(np.quantile(finite, 0.9)),
        "spearman": spearman(errors, comparison.deviation),
    }
    for limit in LIMITS_PX:
        numbers[f"auroc_{limit:g}px"] = auroc(errors, comparison.deviation, limit)
    return numbers


def table_rows(comparison: Comparison) -> Iterator[Row]:
    """Yield every number of the plots."""
    name = comparison.name
    for kind, curve in curves(comparison).items():
        for i, threshold in enumerate(curve.thresholds):
            count = str(int(curve.count[i]))
            for statistic in ("mean", "standard_error", "share"):
                value = format_number(float(getattr(curve, statistic)[i]))
                yield (
                    "curve",
                    name,
                    kind,
                    "",
                    "",
                    "",
                    format_number(float(threshold)),
                    statistic,
                    value,
                    count,
                )
        for statistic, value in summary(comparison, kind).items():
            count = str(paired(comparison.of_kind(kind), comparison.deviation)[0].size)
            yield "summary", name, kind, "", "", "", "", statistic, format_number(value), count
    for i, frame in enumerate(comparison.frames):
        for k, keypoint in enumerate(comparison.keypoint_names):
            spread = format_number(float(comparison.deviation[i, k]))
            yield (
                "samples",
                name,
                "all",
                "",
                frame,
                keypoint,
                "",
                "standard_deviation",
                spread,
                str(len(comparison.kinds)),
            )
            for m, (kind, seed) in enumerate(zip(comparison.kinds, comparison.seeds, strict=True)):
                error = float(comparison.errors[m, i, k])
                if np.isfinite(error):
                    yield (
                        "samples",
                        name,
                        kind,
                        seed,
                        frame,
                        keypoint,
                        "",
                        "pixel_error",
                        format_number(error),
                        "1",
                    )


def write_table(comparisons: list[Comparison], path: Path) -> None:
    """Write ``ood_metrics.csv``."""
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for comparison in comparisons:
            writer.writerows(table_rows(comparison))
