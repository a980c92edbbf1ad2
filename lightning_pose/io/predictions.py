"""Predictions CSV and pixel-error CSV.

Predictions are x, y, likelihood; for labelled frames the set; and, as an option, the box that was looked at,
as ``bbox`` x, y, h, w. Those of an ensemble may have the variance over its members, ``x_ens_var`` and
``y_ens_var``, as the Ensemble Kalman Smoother names it, whose own files have the members' median and the
posterior variance too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lightning_pose.io.changed import check_unchanged
from lightning_pose.io.files import write_atomic
from lightning_pose.io.tables import (
    SET_COLUMN,
    KeypointTable,
    format_number,
    iterate_rows,
    own_path,
    parse_keypoint_rows,
    parse_number,
    read_rows,
    write_keypoint_table,
)
from lightning_pose.types import Predictions, Problem, UserError

BASIC = ("x", "y", "likelihood")
VARIANCES = ("x_ens_var", "y_ens_var")
MEDIANS = ("x_ens_median", "y_ens_median")
POSTERIOR_VARIANCES = ("x_posterior_var", "y_posterior_var")
SMOOTHED = (*MEDIANS, *VARIANCES, *POSTERIOR_VARIANCES)
LAYOUTS = (BASIC, (*BASIC, *VARIANCES), (*BASIC, *SMOOTHED))  # columns that a keypoint may have


def box_columns(xywh_px: np.ndarray) -> np.ndarray:
    """Return boxes x, y, w, h, (N, 4), in the order x, y, h, w of files, or the other way round."""
    return xywh_px[:, [0, 1, 3, 2]]


def read_predictions(path: str | Path) -> Predictions:
    """Read a predictions CSV.

    Raises
    ------
    UserError
        Every broken header, row and cell.
    """
    check_unchanged(path)
    return parse_predictions(Path(path), iterate_rows(Path(path)))


def parse_predictions(path: Path, rows: Iterable[list[str]]) -> Predictions:
    """Parse the rows of a predictions CSV; `path` is for messages."""
    table = parse_keypoint_rows(path, rows, LAYOUTS)
    is_video = all(name.isdecimal() for name in table.index)
    return Predictions(
        index=[int(name) for name in table.index] if is_video else [own_path(name) for name in table.index],
        keypoint_names=table.keypoint_names,
        keypoints_px=np.stack([table.columns["x"], table.columns["y"]], axis=-1),
        confidence=table.columns["likelihood"],
        splits=table.sets,
        scorer=table.scorer,
        xywh_frame_px=None if table.boxes is None else box_columns(table.boxes),
        further={name: cells for name, cells in table.columns.items() if name not in BASIC},
    )


def write_predictions(predictions: Predictions, path: str | Path) -> None:
    """Write a predictions CSV that `read_predictions` reads back exactly."""
    columns = {
        "x": predictions.keypoints_px[..., 0],
        "y": predictions.keypoints_px[..., 1],
        "likelihood": predictions.confidence,
        **predictions.further,
    }
    index = [str(name) for name in predictions.index]
    boxes = None if predictions.xywh_frame_px is None else box_columns(predictions.xywh_frame_px)
    table = KeypointTable(
        predictions.scorer, index, predictions.keypoint_names, columns, predictions.splits, boxes
    )
    write_keypoint_table(table, path)


def write_pixel_errors(
    path: str | Path,
    index: Sequence[str | int],
    keypoint_names: list[str],
    errors: np.ndarray,
    splits: list[str] | None = None,
) -> None:
    """Write pixel errors, (N, K); an unlabelled keypoint is an empty cell."""
    with write_atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", *keypoint_names, *([] if splits is None else [SET_COLUMN])])
        for row, name in enumerate(index):
            ending = [] if splits is None else [splits[row]]
            writer.writerow([name, *(format_number(error) for error in errors[row]), *ending])


def read_pixel_errors(path: str | Path) -> tuple[list[str], list[str], np.ndarray, list[str] | None]:
    """Return index, keypoint names, errors (N, K) and splits of a pixel-error CSV.

    Raises
    ------
    UserError
        Every row with a wrong number of cells, or of a frame that is there before, and every cell that is no
        number.
    """
    check_unchanged(path)
    rows = read_rows(Path(path))
    if not rows or not rows[0]:
        raise UserError(Problem(str(path), "a header row", "an empty file"))
    header = rows[0]
    has_set = header[-1] == SET_COLUMN
    names = header[1:-1] if has_set else header[1:]
    body = [(number, row) for number, row in enumerate(rows[1:], 2) if any(row)]
    errors = np.full((len(body), len(names)), np.nan)
    problems, seen = [], set[str]()
    for i, (number, row) in enumerate(body):
        if row[0] in seen:
            problems.append(Problem(f"{path}, row {number}", "each frame once", f"{row[0]} again"))
        seen.add(row[0])
        if len(row) != len(header):
            problems.append(Problem(f"{path}, row {number}", f"{len(header)} cells", str(len(row))))
            continue
        for k, name in enumerate(names):
            value = parse_number(row[k + 1])
            if value is None:
                where = f"{path}, row {number}, {name}"
                problems.append(Problem(where, "a number or an empty cell", repr(row[k + 1])))
            else:
                errors[i, k] = value
    if problems:
        raise UserError(problems)
    return (
        [own_path(row[0]) for _, row in body],
        names,
        errors,
        [row[-1] for _, row in body] if has_set else None,
    )
