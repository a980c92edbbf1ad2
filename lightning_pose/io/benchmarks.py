"""Snakemake's benchmark files: how long each job took, and how much memory."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.io.tables import parse_number

SUFFIX = ".tsv"


@dataclass(frozen=True)
class JobCost:
    """What a job took.

    Parameters
    ----------
    rule : its rule.
    seconds : on the clock.
    memory_mb : most memory at a time; NaN where the job was too short to be measured.
    cpu_seconds : of all cores; NaN likewise.
    """

    rule: str
    seconds: float
    memory_mb: float
    cpu_seconds: float


def read_benchmarks(folder: Path) -> list[JobCost]:
    """Return every job of a folder of benchmark files, ``<rule>.<wildcards>.tsv`` or ``<rule>/....tsv``.

    Files that are no benchmarks, and lines that were not finished, are passed over.
    """
    found = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        first, *others = path.relative_to(folder).parts
        rule = first if others else first.removesuffix(SUFFIX).partition(".")[0]
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                seconds = _number(row.get("s"))
                if math.isfinite(seconds):
                    numbers = seconds, _number(row.get("max_rss")), _number(row.get("cpu_time"))
                    found.append(JobCost(rule, *numbers))
    return found


def _number(text: str | None) -> float:
    """Return a cell's number; NaN for ``-`` and ``NA``, which Snakemake writes of short jobs."""
    number = parse_number(text or "")
    return math.nan if number is None else number
