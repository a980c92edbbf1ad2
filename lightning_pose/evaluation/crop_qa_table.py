"""The table of a crop QA, and what it comes to in a sentence or two."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.crop_qa import (
    FLAGS,
    NEAR,
    OUTSIDE,
    CropQa,
    count_status,
    find_flags,
    flag_text,
    median,
    row_minima,
    worst_first,
)
from lightning_pose.io.files import write_atomic
from lightning_pose.io.tables import format_number, text_cell
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError

# margins as shares of the box; box_ratio: side of the box over span of the keypoints
COLUMNS = (
    "kind", "name", "n", "labelled", "outside", "near_border", "least_margin", "box_ratio", "confidence",
    "status", "flags", "rank",
)  # fmt: skip
LISTED = 5  # frames in a sentence


def write_crop_qa(qa: CropQa, path: Path) -> None:
    """Write the table: one row for the set, for each flag, box status, keypoint and frame.

    `n` counts keypoints, in rows of flags and status frames. `rank` is 1 for the least trustworthy frame.
    """
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(table_rows(qa))


def table_rows(qa: CropQa) -> Iterator[dict[str, str | int]]:
    """Yield the rows of the table."""
    flags = find_flags(qa)
    yield {
        "kind": "set", "name": "all", **_counts(qa, slice(None), slice(None)),
        "box_ratio": _number(median(qa.box_ratios)), "confidence": _number(median(qa.frame_confidence)),
    }  # fmt: skip
    for name in FLAGS:
        yield {"kind": "flag", "name": name, "n": int(flags[name].sum())}
    for name, count in count_status(qa.boxes).items():
        yield {"kind": "status", "name": name, "n": count}
    for k, name in enumerate(qa.keypoint_names):
        confidence = _number(median(qa.confidence[:, k]))
        yield {
            "kind": "keypoint",
            "name": text_cell(name),
            **_counts(qa, slice(None), k),
            "confidence": confidence,
        }
    yield from _frame_rows(qa, flags)


def read_crop_qa(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows above those of frames by kind and name: of the set, flags, box statuses, keypoints.

    Raises
    ------
    UserError
        If it is no such table.
    """
    note_read(path)
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            found = ",".join(reader.fieldnames or ()) or "an empty file"
            raise UserError(Problem(f"{path}, header", ",".join(COLUMNS), found))
        above_frames = takewhile(lambda row: row["kind"] != "frame", reader)
        rows = {(row["kind"], row["name"]): row for row in above_frames}
    for (_, name), row in rows.items():
        if not (row["n"] or "").isdecimal():
            raise UserError(Problem(f"{path}, row {name}, n", "a whole number", repr(row["n"])))
    return rows


def summarize_crop_qa(qa: CropQa) -> str:
    """Return how many frames are amiss, and the worst of them."""
    flags = find_flags(qa)
    outside, near = flags[OUTSIDE], flags[NEAR] & ~flags[OUTSIDE]
    text = (
        f"{int(outside.sum())} of {len(qa.names)} frames have keypoints outside their box, "
        f"{int(near.sum())} more have some near its border"
    )
    worst = [row for row in worst_first(qa, flags)[:LISTED] if flag_text(flags, row)]
    return text + "".join(f"; {qa.names[row]}: {flag_text(flags, row)}" for row in worst)


def _frame_rows(qa: CropQa, flags: dict[str, np.ndarray]) -> Iterator[dict[str, str | int]]:
    known, outside, near = np.isfinite(qa.margins), qa.outside, qa.near_border
    margins, ratios, confidence = row_minima(qa.margins), qa.box_ratios, qa.frame_confidence
    order = worst_first(qa, flags)
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(1, len(order) + 1)
    for row, name in enumerate(qa.names):
        yield {
            "kind": "frame", "name": text_cell(str(name)), "n": int(known[row].sum()),
            "labelled": int(qa.is_label[row].sum()), "outside": int(outside[row].sum()),
            "near_border": int(near[row].sum()), "least_margin": _number(margins[row]),
            "box_ratio": _number(ratios[row]), "confidence": _number(confidence[row]),
            "status": qa.boxes.status[row] if qa.boxes.status else "", "flags": flag_text(flags, row),
            "rank": int(rank[row]),
        }  # fmt: skip


def _counts(qa: CropQa, rows: slice, columns: slice | int) -> dict[str, str | int]:
    margins = qa.margins[rows, columns]
    known = margins[np.isfinite(margins)]
    return {
        "n": int(known.size),
        "labelled": int(qa.is_label[rows, columns].sum()),
        "outside": int(qa.outside[rows, columns].sum()),
        "near_border": int(qa.near_border[rows, columns].sum()),
        "least_margin": _number(float(known.min()) if known.size else float("nan")),
    }


def _number(value: float) -> str:
    return format_number(round(float(value), 4))
