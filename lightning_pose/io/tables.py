"""The CSV layout that labels and predictions share: three header rows, one index column, cells of numbers.

The header rows name the scorer, the keypoint and the coordinate of each column. DeepLabCut's newer files have
three index columns, which are read as one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.traces import note_read
from lightning_pose.types import RESERVED_NAMES, Problem, UserError

HEADER_ROWS = 3
INDEX_PARTS = 3  # columns of a path in newer files of DeepLabCut: labeled-data, session, file
ROWS_AT_ONCE = 128  # held as text, which takes ten times the memory of its numbers
BOX_NAME, SET_COLUMN = RESERVED_NAMES  # of box columns, as if of a keypoint; of the splits
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
BOX_COORDS = ("x", "y", "h", "w")


@dataclass(frozen=True)
class KeypointTable:
    """A parsed file.

    Parameters
    ----------
    scorer : str
    index : list of str
        First column.
    keypoint_names : list of str
        In the order of the columns.
    columns : dict
        Coordinate name (x, y, likelihood, visible) to an (N, K) float array; NaN = empty cell.
    sets : list of str, or None
        The column `set`.
    boxes : array, (N, 4), or None
        The columns of `BOX_COORDS`, behind those of the keypoints.
    """

    scorer: str
    index: list[str]
    keypoint_names: list[str]
    columns: dict[str, np.ndarray]
    sets: list[str] | None
    boxes: np.ndarray | None = None


@dataclass(frozen=True)
class TableHeader:
    """What the header rows say.

    Parameters
    ----------
    scorer : str
    keypoint_names : list of str
        In the order of the columns.
    coords : tuple of str
        The columns of each keypoint.
    has_boxes, has_set : bool
        Whether columns of a box, and the column `set`, follow.
    """

    scorer: str
    keypoint_names: list[str]
    coords: tuple[str, ...]
    has_boxes: bool
    has_set: bool

    @property
    def columns(self) -> int:
        """How many columns there are, the index among them."""
        boxes = len(BOX_COORDS) * self.has_boxes
        return 1 + len(self.keypoint_names) * len(self.coords) + boxes + self.has_set


def read_rows(path: Path, most: int | None = None) -> list[list[str]]:
    """Read the cells of a CSV file, of its first `most` rows: see `iterate_rows`."""
    return list(islice(iterate_rows(path), most))


def iterate_rows(path: Path) -> Iterator[list[str]]:
    """Yield the cells of a CSV file, row by row.

    Raises
    ------
    UserError
        If there is no such file or it is no text.
    """
    note_read(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            yield from csv.reader(file)
    except FileNotFoundError:
        raise UserError(Problem(str(path), "a CSV file", "no such file")) from None
    except (IsADirectoryError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(Problem(str(path), "a CSV file in UTF-8", str(error))) from None


def parse_keypoint_rows(
    path: Path, rows: Iterable[list[str]], coords: tuple[tuple[str, ...], ...]
) -> KeypointTable:
    """Parse the rows of a labels or predictions file.

    Parameters
    ----------
    path : the file, for messages.
    rows : of its cells; some are held at a time, if they are not a list.
    coords : the sets of coordinates that a keypoint may have, such as ``(("x", "y"),)``.

    Raises
    ------
    UserError
        Every broken header, row and cell, by row number as an editor shows it.
    """
    rows = with_one_index(rows)
    header_cells = list(islice(rows, HEADER_ROWS))
    header = parse_header(path, header_cells, coords)
    names, own_coords = header.keypoint_names, header.coords
    keypoint_width = len(names) * len(own_coords)
    width = header.columns - 1 - header.has_set
    _, name_cells, coord_cells = header_cells
    columns = [
        f"{name} {coord}" for name, coord in zip(name_cells[1 : width + 1], coord_cells[1:], strict=False)
    ]
    body = ((number, row) for number, row in enumerate(rows, HEADER_ROWS + 1) if any(row))
    index: list[str] = []
    sets: list[str] = []
    parts: list[np.ndarray] = []
    problems: list[Problem] = []
    while block := list(islice(body, ROWS_AT_ONCE)):
        numbers, found = _numbers(path, block, columns, header.has_set)
        parts.append(numbers)
        problems += found
        index += [row[0] for _, row in block]
        sets += [row[-1] for _, row in block] if header.has_set else []
    if not parts:
        raise UserError(Problem(str(path), "at least one row below the header", "none"))
    if problems:
        raise UserError(problems)
    values = np.concatenate(parts)
    cells = values[:, :keypoint_width].reshape(len(index), len(names), len(own_coords))
    return KeypointTable(
        scorer=header.scorer,
        index=index,
        keypoint_names=names,
        columns={coord: cells[..., i].copy() for i, coord in enumerate(own_coords)},
        sets=sets if header.has_set else None,
        boxes=values[:, keypoint_width:].copy() if header.has_boxes else None,
    )


def with_one_index(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the rows of a table with paths in one column, where they are spread over three."""
    rows = iter(rows)
    header, spread = list(islice(rows, HEADER_ROWS)), [""] * (INDEX_PARTS - 1)
    if len(header) < HEADER_ROWS or any(row[1:INDEX_PARTS] != spread for row in header):
        yield from chain(header, rows)
        return
    yield from ([*row[:1], *row[INDEX_PARTS:]] for row in header)
    for row in rows:
        yield ["/".join(row[:INDEX_PARTS]) if any(row) else "", *row[INDEX_PARTS:]]


def parse_header(path: Path, rows: list[list[str]], coords: tuple[tuple[str, ...], ...]) -> TableHeader:
    """Parse the header rows of `path`: see `parse_keypoint_rows`."""
    if len(rows) < HEADER_ROWS:
        raise UserError(
            Problem(str(path), "three header rows (scorer, bodyparts, coords)", f"{len(rows)} rows")
        )
    scorers, names_row, coords_row = (row[1:] for row in rows[:HEADER_ROWS])
    ending = (*scorers[-1:], *names_row[-1:])  # a keypoint or a scorer of that name has coordinates
    has_set = SET_COLUMN in ending and all(coords_row[-1:] != [coord] for own in coords for coord in own)
    width = len(coords_row) - has_set
    has_boxes = _ends_with_boxes(names_row[:width], coords_row[:width])
    keypoint_width = width - len(BOX_COORDS) * has_boxes
    names, own_coords = _header(path, names_row[:keypoint_width], coords_row[:keypoint_width], coords)
    return TableHeader(scorers[0] if scorers else "", names, own_coords, has_boxes, has_set)


def write_keypoint_table(table: KeypointTable, path: str | Path) -> None:
    """Write a labels or predictions file; numbers read back exactly."""
    coords = tuple(table.columns)
    header = TableHeader(
        table.scorer, table.keypoint_names, coords, table.boxes is not None, table.sets is not None
    )
    cells = np.stack([table.columns[coord] for coord in coords], axis=-1).reshape(len(table.index), -1)
    if table.boxes is not None:
        cells = np.concatenate([cells, table.boxes], axis=1)
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows(header_rows(header))
        for row, (name, numbers) in enumerate(zip(table.index, cells, strict=True)):
            ending = [] if table.sets is None else [table.sets[row]]
            writer.writerow([name, *(format_number(number) for number in numbers), *ending])


def header_rows(header: TableHeader) -> list[list[str]]:
    """Return the cells of the three header rows."""
    per_keypoint = [(name, coord) for name in header.keypoint_names for coord in header.coords]
    if header.has_boxes:
        per_keypoint += [(BOX_NAME, coord) for coord in BOX_COORDS]
    extra = [SET_COLUMN] if header.has_set else []
    return [
        ["scorer", *[header.scorer] * len(per_keypoint), *extra],
        ["bodyparts", *(name for name, _ in per_keypoint), *("" for _ in extra)],
        ["coords", *(coord for _, coord in per_keypoint), *("" for _ in extra)],
    ]


def format_number(number: float) -> str:
    """Return the shortest text that reads back as the same number; NaN is an empty cell."""
    if math.isnan(number):
        return ""
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else repr(float(number))


def text_cell(text: str) -> str:
    """Return a text for a table that people open: a spreadsheet shall show it, not compute it.

    Files that are read back (labels, predictions, boxes, errors) hold names as they are.

    References
    ----------
    OWASP, CSV Injection: a quote before what begins like a formula.
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def own_path(name: str) -> str:
    """Return an image path as all of ours are written: with forward slashes, without ``./`` and ``//``."""
    name = name.replace("\\", "/")
    return str(PurePosixPath(name)) if "./" in name or "//" in name else name


def parse_number(text: str) -> float | None:
    """Return a cell's number, NaN if it is empty, None if it is no finite number."""
    text = text.strip()
    if text == "" or text.lower() == "nan":
        return math.nan
    if "_" in text:  # Python reads 1_5 as 15
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _ends_with_boxes(names_row: list[str], coords_row: list[str]) -> bool:
    count = len(BOX_COORDS)
    return names_row[-count:] == [BOX_NAME] * count and tuple(coords_row[-count:]) == BOX_COORDS


def _header(
    path: Path, names_row: list[str], coords_row: list[str], allowed: tuple[tuple[str, ...], ...]
) -> tuple[list[str], tuple[str, ...]]:
    names = list(dict.fromkeys(names_row))
    for own in allowed:
        expected_names = [name for name in names for _ in own]
        if names and names_row == expected_names and coords_row == list(own) * len(names):
            return names, own
    choices = " or ".join(", ".join(own) for own in allowed)
    found = f"{len(names_row)} columns: " + ", ".join(
        f"{name} {coord}" for name, coord in list(zip(names_row, coords_row, strict=False))[:6]
    )
    raise UserError(Problem(f"{path}, header", f"columns {choices} for each keypoint in turn", found))


def _numbers(
    path: Path, body: list[tuple[int, list[str]]], columns: list[str], has_set: bool
) -> tuple[np.ndarray, list[Problem]]:
    width = len(columns)
    values = np.full((len(body), width), np.nan)
    expected = width + 1 + has_set
    odd = []  # rows to look at cell by cell
    for i, (_, row) in enumerate(body):
        try:
            values[i] = [float(text) if text else math.nan for text in row[1 : width + 1]]
        except ValueError:
            odd.append(i)
        if len(row) != expected or "_" in "".join(row[1 : width + 1]):
            odd.append(i)
    problems = []
    for i in sorted({*odd, *np.flatnonzero(np.isinf(values).any(1))}):
        number, row = body[i]
        if len(row) != expected:
            problems.append(Problem(f"{path}, row {number}", f"{expected} cells", f"{len(row)}"))
            continue
        for j, text in enumerate(row[1 : width + 1]):
            parsed = parse_number(text)
            if parsed is None:
                where = f"{path}, row {number}, {columns[j]}"
                problems.append(Problem(where, "a number or an empty cell", repr(text)))
            else:
                values[i, j] = parsed
    return values, problems
