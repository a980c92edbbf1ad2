"""The tidy table behind the plots: every number that is drawn, one a row."""

from __future__ import annotations

import csv
import io
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.kind_comparison import kind_differences
from lightning_pose.evaluation.metrics import summarize
from lightning_pose.evaluation.ood import (
    ErrorCurve,
    default_thresholds,
    error_curve,
    mean_over_members,
    paired,
    rank_statistics,
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
SAMPLES = "error_scatter"  # the figure of all of them
COPIED_AT_ONCE = 1 << 20  # characters
REMEMBERED = 64  # results, which are both drawn and written
OF_ERRORS = ("n", "mean", "median", "p90")  # need no standard deviation
QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
Row = tuple[str, ...]


@lru_cache(maxsize=REMEMBERED)
def curves(comparison: Comparison) -> dict[str, ErrorCurve]:
    """Return the error curve of each kind, over the same thresholds and keypoints."""
    thresholds = default_thresholds(comparison.deviation[comparison.shared()])
    return {
        kind: error_curve(errors, comparison.deviation, thresholds)
        for kind, errors in _shared_errors(comparison).items()
    }


@lru_cache(maxsize=REMEMBERED)
def risks(comparison: Comparison) -> dict[str, RiskCurve]:
    """Return the risk-coverage curve of each kind; all drop the same keypoints."""
    return {
        kind: risk_curve(errors, comparison.deviation) for kind, errors in _shared_errors(comparison).items()
    }


def _shared_errors(comparison: Comparison) -> dict[str, np.ndarray]:
    """Return the errors of each kind, (M, N, K), NaN where another kind predicted nothing.

    A kind that leaves out what is hard would else look better than one that tries.
    """
    shared = comparison.shared()
    kinds = dict.fromkeys(comparison.kinds)
    return {kind: np.where(shared, comparison.of_kind(kind), np.nan) for kind in kinds}


@lru_cache(maxsize=REMEMBERED)
def summary(comparison: Comparison, kind: str) -> dict[str, float]:
    """Return the numbers of one kind, or of all: errors in frame pixels, rank statistics without unit."""
    errors = comparison.of_kind(kind)
    rho, *areas = rank_statistics(errors, comparison.deviation, LIMITS_PX)
    numbers = {**summarize(errors), "spearman": rho}
    numbers["spearman_of_mean"] = spearman(mean_over_members(errors), comparison.deviation)
    return numbers | {f"auroc_{limit:g}px": area for limit, area in zip(LIMITS_PX, areas, strict=True)}


def keypoint_quantiles(comparison: Comparison, kind: str) -> np.ndarray:
    """Return `QUANTILES` of each keypoint's errors, (K, 5), pixels; NaN without any."""
    errors = comparison.of_kind(kind)
    by_keypoint = [errors[..., k][np.isfinite(errors[..., k])] for k in range(errors.shape[-1])]
    levels = list(QUANTILES.values())
    return np.array([np.quantile(own, levels) if own.size else np.full(5, np.nan) for own in by_keypoint])


def table_rows(comparison: Comparison) -> Iterator[Row]:
    """Yield every number of the plots but for the samples, of which there may be millions."""
    yield from _curve_rows(comparison)
    yield from _risk_rows(comparison)
    yield from _keypoint_rows(comparison)
    yield from _comparison_rows(comparison)
    yield from _summary_rows(comparison)
    yield from _member_rows(comparison)


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


def _keypoint_rows(comparison: Comparison) -> Iterator[Row]:
    for kind in dict.fromkeys(comparison.kinds):
        counts = np.isfinite(comparison.of_kind(kind)).sum((0, 1))
        found = keypoint_quantiles(comparison, kind)
        for keypoint, values, count in zip(comparison.keypoint_names, found, counts, strict=True):
            for statistic, value in zip(QUANTILES, values, strict=True):
                yield _row(
                    "keypoints", comparison.name, kind, statistic, value, int(count), keypoint=keypoint
                )


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


def _sample_lines(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of each frame: the deviation of each keypoint, and each member's error.

    There may be millions: what lines share is put together once, and numbers come in one go.
    """
    members = list(zip(comparison.kinds, comparison.seeds, strict=True))
    spread_start, spread_end = _around("standard_deviation", len(members), comparison.name, ALL, "")
    around = [_around("pixel_error", 1, comparison.name, kind, seed) for kind, seed in members]
    keypoints = [_line([text_cell(name)]) for name in comparison.keypoint_names]
    for i, frame in enumerate(comparison.frames):
        frame_text = _line([text_cell(frame)])
        spreads, errors = comparison.deviation[i].tolist(), comparison.errors[:, i].T.tolist()
        parts = []
        for keypoint, spread, own in zip(keypoints, spreads, errors, strict=True):
            place = f"{frame_text},{keypoint}"
            parts.append(f"{spread_start}{place}{spread_end[0]}{format_number(spread)}{spread_end[1]}")
            parts += [
                f"{start}{place}{middle}{format_number(error)}{end}"
                for (start, (middle, end)), error in zip(around, own, strict=True)
                if math.isfinite(error)
            ]
        yield "".join(parts)


def _around(statistic: str, n: int, name: str, kind: str, seed: str) -> tuple[str, tuple[str, str]]:
    """Return what a sample's line has before frame and keypoint, and before and after its value."""
    marks = {"frame": "\0", "keypoint": "\0", "value": "\0"}
    texts = {
        "figure": "samples",
        "set": name,
        "kind": kind,
        "seed": seed,
        "statistic": statistic,
        "n": str(n),
    }
    cells = {column: text_cell(text) for column, text in texts.items()} | marks
    start, _, middle, end = f"{_line([cells.get(column, '') for column in COLUMNS])}\r\n".split("\0")
    return start, (middle, end)


def _line(cells: Sequence[str]) -> str:
    """Return cells as CSV has them, without a line break."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


# what is behind each figure
FIGURES: dict[str, Sequence[Callable[[Comparison], Iterator[Row]]]] = {
    "error_vs_deviation": (_curve_rows,),
    "risk_coverage": (_risk_rows,),
    "error_per_keypoint": (_keypoint_rows,),
    SAMPLES: (),  # errors and deviations one by one
    "numbers": (_summary_rows, _comparison_rows),
}


def write_table(comparisons: list[Comparison], path: Path, figures_dir: Path | None = None) -> None:
    """Write ``ood_metrics.csv``: every number of the plots.

    Parameters
    ----------
    comparisons : InD and OOD.
    path : the table to write.
    figures_dir : folder for what is behind each figure, as ``<figure>.csv`` with these columns; None = none.
    """
    samples = None
    if figures_dir is not None:
        samples = figures_dir / f"{SAMPLES}.csv"
        for name, makers in FIGURES.items():
            _write(comparisons, makers, not makers, figures_dir / f"{name}.csv")
    _write(comparisons, (table_rows,), True, path, samples)


def _write(
    comparisons: list[Comparison],
    makers: Sequence[Callable[[Comparison], Iterator[Row]]],
    with_samples: bool,
    path: Path,
    written_samples: Path | None = None,
) -> None:
    """Write rows and, on request, samples, which are copied where they were written before."""
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for comparison in comparisons:
            for make in makers:
                writer.writerows(make(comparison))
        if written_samples is not None:
            with open(written_samples, newline="", encoding="utf-8") as samples:
                next(samples)  # the header
                shutil.copyfileobj(samples, file, COPIED_AT_ONCE)
        elif with_samples:
            for comparison in comparisons:
                file.writelines(_sample_lines(comparison))
