"""Sum up a sweep: pixel error by model, crop ratio, variant and size of the training set, over seeds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.metrics import summarize
from lightning_pose.evaluation.ood_input import Comparison, MissingMember
from lightning_pose.io.files import write_atomic
from lightning_pose.io.tables import format_number, text_cell
from lightning_pose.sweep import parse_kind

COLUMNS = (
    "set", "kind", "model", "crop_ratio", "variant", "train_frames", "seeds", "missing_seeds",
    "diverged_seeds", "mean_px", "mean_standard_error_px", "median_px", "median_standard_error_px",
)  # fmt: skip


LEVEL = 0.95  # of intervals


@dataclass(frozen=True)
class Spread:
    """Mean over `count` seeds, and its standard error, in frame pixels; NaN without, or with one seed."""

    mean: float
    standard_error: float
    count: int = 0

    def interval(self) -> tuple[float, float]:
        """Return the ends of the mean's confidence interval over seeds, by Student's t; NaN with one seed."""
        from scipy.special import stdtrit

        half = float(stdtrit(max(self.count - 1, 1), (1 + LEVEL) / 2)) * self.standard_error
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class Cell:
    """One kind of model on one set of frames.

    Parameters
    ----------
    name : ``InD`` or ``OOD``.
    kind : as in the plots.
    seeds, missing : of the members that are there, and of those that should be.
    diverged : of those that are there and found nothing; they count all the same, but for those without a
        single error.
    mean, median : each member's mean or median pixel error, over seeds.
    """

    name: str
    kind: str
    seeds: list[str]
    missing: list[str]
    diverged: list[str]
    mean: Spread
    median: Spread

    @property
    def count(self) -> str:
        """How many seeds the numbers are over, and of how many where some are missing or have no errors."""
        total = len(self.seeds) + len(self.missing)
        return str(total) if self.mean.count == total else f"{self.mean.count} of {total}"


def cells(comparison: Comparison, missing: Sequence[MissingMember]) -> list[Cell]:
    """Return a cell for each kind, those without any member too."""
    kinds = dict.fromkeys([*comparison.kinds, *(member.kind for member in missing)])
    return [_cell(comparison, kind, [own.seed for own in missing if own.kind == kind]) for kind in kinds]


def _cell(comparison: Comparison, kind: str, missing: list[str]) -> Cell:
    rows = [m for m, own in enumerate(comparison.kinds) if own == kind]
    seeds = [comparison.seeds[m] for m in rows]
    diverged = [comparison.seeds[m] for m in rows if comparison.diverged and comparison.diverged[m]]
    numbers = [summarize(errors) for errors in comparison.of_kind(kind)]
    mean, median = (spread([own[name] for own in numbers]) for name in ("mean", "median"))
    return Cell(comparison.name, kind, seeds, missing, diverged, mean, median)


def spread(values: Sequence[float]) -> Spread:
    """Return mean and standard error (with n - 1) of the values that are numbers."""
    known = np.array([value for value in values if np.isfinite(value)], float)
    mean = float(known.mean()) if known.size else float("nan")
    error = float(known.std(ddof=1) / np.sqrt(known.size)) if known.size > 1 else float("nan")
    return Spread(mean, error, int(known.size))


def write_sweep_table(rows: Sequence[Cell], path: Path) -> None:
    """Write the CSV, a row a cell."""
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for cell in rows:
            kind = parse_kind(cell.kind)
            places = (kind.model, kind.crop_ratio, kind.variant, kind.train_frames)
            numbers = (cell.mean.mean, cell.mean.standard_error, cell.median.mean, cell.median.standard_error)
            writer.writerow(
                [cell.name, text_cell(cell.kind), *places, " ".join(cell.seeds), " ".join(cell.missing),
                 " ".join(cell.diverged), *(format_number(number) for number in numbers)]
            )  # fmt: skip


def as_text(rows: Sequence[Cell]) -> str:
    """Return the table for reading, in columns, with the missing and diverged members below."""
    header = ["set", "kind", "seeds", "mean error (px)", "median error (px)"]
    table = [header]
    for cell in rows:
        table.append([cell.name, cell.kind, cell.count, _shown(cell.mean), _shown(cell.median)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table]
    absent = sorted({(cell.kind, seed) for cell in rows for seed in cell.missing})
    lines += [f"missing: {kind}, seed {seed}" for kind, seed in absent]
    lines += [f"diverged: {cell.kind}, seed {seed} ({cell.name})" for cell in rows for seed in cell.diverged]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _shown(own: Spread) -> str:
    if np.isnan(own.mean):
        return "-"
    return f"{own.mean:.2f}" + ("" if np.isnan(own.standard_error) else f" ± {own.standard_error:.2f}")
