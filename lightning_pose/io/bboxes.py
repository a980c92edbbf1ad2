"""Bounding-box CSV: ``,x,y,h,w`` in frame pixels, keyed by image path or frame number.

Boxes of other tools are accepted; our own carry a column `status` that says how each came about.
"""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.io.changed import check_unchanged, set_aside
from lightning_pose.io.files import write_atomic
from lightning_pose.io.tables import BOX_COORDS, format_number, own_path, parse_number, read_rows
from lightning_pose.types import Boxes, Problem, UserError

logger = logging.getLogger(__name__)

COLUMNS = BOX_COORDS
NAMED = 5  # problems of one kind named one by one


def read_bboxes(path: str | Path, may_lack: bool = False) -> Boxes:
    """Read a bounding-box CSV.

    Parameters
    ----------
    path : the file.
    may_lack : take rows of four empty cells, or NaN, for frames without a box, which are refused else.

    Raises
    ------
    UserError
        Every row that is no box: text, NaN, zero or negative size.
    """
    check_unchanged(path)
    rows = read_rows(Path(path))
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise UserError(Problem(f"{path}, header", "columns ,x,y,h,w", ",".join(header) or "an empty file"))
    places = [header.index(name) for name in COLUMNS]
    problems, values = [], []
    body = [(number, row) for number, row in enumerate(rows[1:], 2) if any(row)]
    for number, row in body:
        where = f"{path}, row {number} ({row[0]})"
        if len(row) != len(header):
            problems.append(Problem(where, f"{len(header)} cells", str(len(row))))
            continue
        parsed = [parse_number(row[place]) for place in places]
        numbers = [np.nan if value is None else value for value in parsed]
        is_empty = all(value is not None and np.isnan(value) for value in parsed)
        if np.isnan(numbers).any() and not (may_lack and is_empty):
            problems.append(Problem(where, "numbers x, y, h, w", ",".join(row[place] for place in places)))
        elif numbers[2] <= 0 or numbers[3] <= 0:
            problems.append(Problem(where, "h and w above 0", f"h={numbers[2]:g}, w={numbers[3]:g}"))
        values.append(numbers)
    problems += _duplicates(path, body)
    if problems:
        raise UserError(problems)
    names = [own_path(row[0]) for _, row in body]
    xyhw = np.array(values, dtype=float).reshape(-1, 4)
    status = [row[header.index("status")] for _, row in body] if "status" in header else None
    is_video = bool(names) and all(name.isdecimal() for name in names)
    index: Any = [int(name) for name in names] if is_video else names
    return Boxes(index, xyhw[:, [0, 1, 3, 2]], status, _confidence(header, [row for _, row in body]))


def _confidence(header: list[str], rows: list[list[str]]) -> np.ndarray | None:
    """Return the column of that name, NaN where it has no number; a tool may have one that means another."""
    if "confidence" not in header:
        return None
    parsed = [parse_number(row[header.index("confidence")]) for row in rows]
    return np.array([np.nan if value is None else value for value in parsed], dtype=float)


def _duplicates(path: str | Path, body: list[tuple[int, list[str]]]) -> list[Problem]:
    first: dict[str, int] = {}
    names = [(number, own_path(row[0])) for number, row in body]
    return [
        Problem(f"{path}, row {number}", "each image or frame once", f"{name} of row {first[name]} again")
        for number, name in names
        if first.setdefault(name, number) != number
    ]


def read_matching_boxes(path: str | Path, image_paths: Sequence[str], labels_csv: str | Path) -> Boxes:
    """Read the boxes of labelled images, in the order of the labels.

    Raises
    ------
    UserError
        If there is no box for an image, or one for another image.
    """
    boxes = read_bboxes(path)
    rows = {str(name): row for row, name in enumerate(boxes.index)}
    wanted = set(image_paths)
    missing = [Problem(str(path), f"a box for {name} of {labels_csv}", "none")
               for name in image_paths if name not in rows]  # fmt: skip
    extra = [Problem(f"{path}, row {row + 2}", f"an image of {labels_csv}", name)
             for name, row in rows.items() if name not in wanted]  # fmt: skip
    problems = [*missing[:NAMED], *extra[:NAMED]]
    if len(missing) + len(extra) > len(problems):
        found = f"{len(missing)} missing, {len(extra)} of other images"
        problems.append(Problem(str(path), f"a box for each of {len(wanted)} images", found))
    if problems:
        raise UserError(problems)
    order = [rows[name] for name in image_paths]
    return boxes.rows(order)


def write_bboxes(boxes: Boxes, path: str | Path) -> None:
    """Write a bounding-box CSV."""
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        further: dict[str, list[str]] = {}
        if boxes.status is not None:
            further["status"] = boxes.status
        if boxes.confidence is not None:
            further["confidence"] = [format_number(value) for value in boxes.confidence]
        writer.writerow(["", *COLUMNS, *further])
        for row, (name, (x, y, w, h)) in enumerate(zip(boxes.index, boxes.xywh_px, strict=True)):
            ending = (values[row] for values in further.values())
            writer.writerow([name, *(format_number(value) for value in (x, y, h, w)), *ending])


def replace_bboxes(source: str | Path, xywh_px: np.ndarray, path: str | Path) -> None:
    """Write a bounding-box CSV anew with the boxes of all rows, (N, 4), replaced, and all else as it was."""
    rows = read_rows(Path(source))
    header = [name.strip() for name in rows[0]]
    places = [header.index(name) for name in COLUMNS]
    body = [row for row in rows[1:] if any(row)]
    for row, (x, y, w, h) in zip(body, xywh_px, strict=True):
        for place, value in zip(places, (x, y, h, w), strict=True):
            row[place] = format_number(value)
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([rows[0], *body])


def leave_bboxes(boxes: Boxes, source: Path, path: Path) -> None:
    """Write the boxes that crops are cut with beside them, unless they are there; others are set aside.

    Parameters
    ----------
    boxes : the boxes.
    source : the file that they were read from.
    path : where whatever maps the crops back to the frame looks for them.
    """
    if path.resolve() == source.resolve() or _holds(path, boxes):
        return
    if path.is_file():
        kept = set_aside(path)
        logger.warning(
            "%s: now the boxes of %s, which the crops are cut with; before: %s", path, source, kept
        )
    write_bboxes(boxes, path)


def _holds(path: Path, boxes: Boxes) -> bool:
    if not path.is_file():
        return False
    try:
        own = read_bboxes(path)
    except UserError:
        return False
    return own.index == boxes.index and np.array_equal(own.xywh_px, boxes.xywh_px)


def boxes_digest(xywh_px: np.ndarray) -> str:
    """Return a checksum of boxes, (N, 4): the same ones have the same, however they are written."""
    return hashlib.sha256(np.ascontiguousarray(xywh_px, dtype=float).tobytes()).hexdigest()
