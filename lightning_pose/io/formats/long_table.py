"""Predictions as a long table: one row for each keypoint of each frame, as statistics want them.

Columns: ``source`` (which file), ``frame`` (of a video) or ``image`` (a labelled one), ``keypoint``, ``x``,
``y``, ``likelihood``, then what some of the files have besides: the columns of ensembles, the box that was
looked at (``bbox_x``, ``bbox_y``, ``bbox_h``, ``bbox_w``), ``set``. Pixels are those of the predictions; what
was not predicted is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.predictions import BASIC, SMOOTHED, box_columns, read_predictions
from lightning_pose.io.table_blocks import read_header
from lightning_pose.io.tables import BOX_COORDS, BOX_NAME, SET_COLUMN, text_cell
from lightning_pose.types import Predictions, Problem, UserError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv")
BOXES = tuple(f"{BOX_NAME}_{coord}" for coord in BOX_COORDS)


def write_long_table(sources: Mapping[str, Path], output: Path) -> None:
    """Write predictions as parquet or, for people and spreadsheets, as CSV.

    One file is in memory at a time. In CSV, a name that looks like a formula stays text.

    Parameters
    ----------
    sources : predictions CSVs by the names that tell them apart.
    output : the file, by whose suffix the format is chosen.

    Raises
    ------
    UserError
        If a file is none of predictions, or some are of videos and others of labelled images.
    """
    is_text = output.suffix == ".csv"
    schema = _schema(list(sources.values()))
    with _open_writer(output, schema, is_text) as writer:
        for name, path in sources.items():
            predictions = read_predictions(path)
            _check_rows(path, predictions, schema)
            writer.write_table(_table(name, predictions, schema, is_text))


def _schema(paths: Sequence[Path]) -> pa.Schema:
    """Return the columns that some of the files have."""
    import pyarrow as pa

    headers, firsts = zip(*(read_header(path) for path in paths), strict=True)
    are_frames = [first.isdecimal() for first in firsts]
    if len(set(are_frames)) > 1:
        other = paths[are_frames.index(not are_frames[0])]
        expected = "frame numbers" if are_frames[0] else "image paths"
        raise UserError(Problem(str(other), f"rows named by {expected}, as in {paths[0]}", "others"))
    row = ("frame", pa.int64()) if are_frames[0] else ("image", pa.string())
    further = [name for name in SMOOTHED if any(name in header.coords for header in headers)]
    boxes = BOXES if any(header.has_boxes for header in headers) else ()
    numbers = [(name, pa.float64()) for name in (*BASIC, *further, *boxes)]
    ending = [(SET_COLUMN, pa.string())] if any(header.has_set for header in headers) else []
    return pa.schema([("source", pa.string()), row, ("keypoint", pa.string()), *numbers, *ending])


def _check_rows(path: Path, predictions: Predictions, schema: pa.Schema) -> None:
    wrong = [name for name in predictions.index if isinstance(name, str) and not name.isdecimal()]
    if wrong and "frame" in schema.names:
        raise UserError(Problem(str(path), "a frame number in each row, as in the first", wrong[0]))


@contextmanager
def _open_writer(output: Path, schema: pa.Schema, is_text: bool) -> Iterator[Any]:
    from pyarrow import csv, parquet

    kind = csv.CSVWriter if is_text else parquet.ParquetWriter
    with write_atomic(output) as temporary, kind(temporary, schema) as writer:
        yield writer


def _table(name: str, predictions: Predictions, schema: pa.Schema, is_text: bool) -> pa.Table:
    """Return the rows of one file, frame by frame, keypoint by keypoint."""
    import pyarrow as pa

    shown: Callable[[str], str] = text_cell if is_text else str
    rows, keypoints = predictions.confidence.shape
    xy = {coord: predictions.keypoints_px[..., axis] for axis, coord in enumerate(("x", "y"))}
    numbers = {**xy, "likelihood": predictions.confidence, **predictions.further}
    columns = {
        "source": _repeated([shown(name)], np.zeros(rows * keypoints, np.int32)),
        "keypoint": _repeated(
            [shown(own) for own in predictions.keypoint_names], np.tile(np.arange(keypoints), rows)
        ),
        **{
            coord: pa.array(np.ascontiguousarray(cells).ravel(), from_pandas=True)
            for coord, cells in numbers.items()
        },
    }
    if predictions.xywh_frame_px is not None:
        for coord, cells in zip(BOXES, box_columns(predictions.xywh_frame_px).T, strict=True):
            columns[coord] = pa.array(np.repeat(cells, keypoints), from_pandas=True)
    of_rows = np.repeat(np.arange(rows), keypoints)
    if "frame" in schema.names:
        columns["frame"] = pa.array(np.asarray(predictions.index, np.int64)[of_rows])
    else:
        columns["image"] = _repeated([shown(str(path)) for path in predictions.index], of_rows)
    if predictions.splits is not None:
        columns[SET_COLUMN] = _repeated(predictions.splits, of_rows)
    length = rows * keypoints
    arrays = [columns.get(field.name, pa.nulls(length, field.type)) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _repeated(texts: list[str], places: np.ndarray) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), texts).cast(pa.string())
