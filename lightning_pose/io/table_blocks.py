"""Long tables of keypoints, block by block: predictions on videos of any length in little memory.

A block is some consecutive rows. What a fast parser stumbles over, `io.predictions` reads again and names.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.predictions import LAYOUTS, read_predictions
from lightning_pose.io.tables import (
    HEADER_ROWS,
    TableHeader,
    header_rows,
    parse_header,
    read_rows,
    with_one_index,
)
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_KEYPOINTS = 1 << 18  # of all rows of a block: so many rows of 32 keypoints are 8192
READ_BYTES = 1 << 22
MISSING = ["", "nan", "NaN", "NAN"]  # cells without a number


@dataclass(frozen=True)
class PredictionBlock:
    """Consecutive rows of a video's predictions.

    Parameters
    ----------
    frames : array, (T,), int64
    keypoints_px : array, (T, K, 2), float64
        NaN = nothing predicted.
    confidence : array, (T, K), float64
    """

    frames: np.ndarray
    keypoints_px: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> PredictionBlock:
        """Return some of the rows."""
        return PredictionBlock(self.frames[rows], self.keypoints_px[rows], self.confidence[rows])


def read_header(path: Path) -> tuple[TableHeader, str]:
    """Return the header of a predictions CSV, and the first column of its first row.

    Raises
    ------
    UserError
        If there is no such file, or it has another header, or nothing below it.
    """
    # some tools leave a row empty but for commas
    rows = list(with_one_index(read_rows(path, HEADER_ROWS + 2)))
    header = parse_header(path, rows, LAYOUTS)
    body = [row for row in rows[HEADER_ROWS:] if any(row)]
    if not body:
        raise UserError(Problem(str(path), "at least one row below the header", "none"))
    return header, body[0][0]


def read_blocks(path: Path, header: TableHeader) -> Iterator[PredictionBlock]:
    """Yield the rows of a video's predictions, as many at a time as have `BLOCK_KEYPOINTS`.

    Raises
    ------
    UserError
        Every broken row and cell.
    """
    rows = max(BLOCK_KEYPOINTS // len(header.keypoint_names), 1)
    waiting: list[PredictionBlock] = []
    for block in _raw_blocks(path, header):
        waiting.append(block)
        if sum(map(len, waiting)) >= rows:
            joined = _joined(waiting)
            whole = len(joined) - len(joined) % rows
            for start in range(0, whole, rows):
                yield joined[start : start + rows]
            waiting = [joined[whole:]]
    if sum(map(len, waiting)):
        yield _joined(waiting)


def _joined(blocks: list[PredictionBlock]) -> PredictionBlock:
    names = ("frames", "keypoints_px", "confidence")
    return PredictionBlock(*(np.concatenate([getattr(own, name) for own in blocks]) for name in names))


def _raw_blocks(path: Path, header: TableHeader) -> Iterator[PredictionBlock]:
    """Yield rows as the fast parser finds them; once it stumbles, those that remain, parsed one by one."""
    import pyarrow as pa

    note_read(path)
    done = 0
    try:
        for batch in _open_csv(path, header):
            block = _block(batch, header)
            if block is None:
                break
            yield block
            done += len(block)
        else:
            return
    except pa.ArrowInvalid:
        pass
    slow = read_predictions(path)  # names what is wrong
    if not all(isinstance(frame, int) for frame in slow.index):
        wrong = next(str(frame) for frame in slow.index if not str(frame).isdecimal())
        raise UserError(Problem(str(path), "a frame number in each row", wrong))
    yield PredictionBlock(np.array(slow.index, np.int64), slow.keypoints_px, slow.confidence)[done:]


def _open_csv(path: Path, header: TableHeader) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = [str(column) for column in range(header.columns)]
    types = dict.fromkeys(names, pa.float64()) | {names[0]: pa.int64()}
    if header.has_set:
        types[names[-1]] = pa.string()
    return arrow.open_csv(
        path,
        arrow.ReadOptions(column_names=names, skip_rows=HEADER_ROWS, block_size=READ_BYTES),
        convert_options=arrow.ConvertOptions(column_types=types, null_values=MISSING),
    )


def _block(batch: pa.RecordBatch, header: TableHeader) -> PredictionBlock | None:
    """Return a batch as arrays; None if a row has no frame number, or a number is infinite."""
    if batch.column(0).null_count:
        return None
    width = len(header.coords)
    cells = np.empty((batch.num_rows, len(header.keypoint_names), 3))
    for k in range(len(header.keypoint_names)):
        for c, coord in enumerate(("x", "y", "likelihood")):
            column = batch.column(1 + k * width + header.coords.index(coord))
            cells[:, k, c] = column.to_numpy(zero_copy_only=False)
    if np.isinf(cells).any():
        return None
    return PredictionBlock(batch.column(0).to_numpy(), cells[..., :2], cells[..., 2])


class BlockWriter:
    """Appends rows to a predictions CSV; numbers read back exactly, NaN is an empty cell.

    A thread turns numbers into text while the caller goes on with the next rows.
    """

    def __init__(self, file: Any, thread: Executor) -> None:
        self.file, self.thread = file, thread
        self.last: Future[None] | None = None

    def write(self, frames: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Append rows, once those before are written.

        Parameters
        ----------
        frames : array, (T,), int
        columns : arrays, (T, K), by the names that the header has, in its order; they stay as they are.
        """
        self.finish()
        self.last = self.thread.submit(self._append, frames, columns)

    def finish(self) -> None:
        """Wait until all is written.

        Raises
        ------
        OSError
            If it could not be.
        """
        if self.last is not None:
            self.last.result()

    def _append(self, frames: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        import pyarrow as pa
        from pyarrow import csv as arrow

        keypoints = range(next(iter(columns.values())).shape[1])
        arrays = [
            pa.array(np.ascontiguousarray(values[:, k]), from_pandas=True)
            for k in keypoints
            for values in columns.values()
        ]
        table = pa.table([pa.array(frames), *arrays], names=[str(i) for i in range(1 + len(arrays))])
        arrow.write_csv(table, self.file, arrow.WriteOptions(include_header=False, quoting_style="none"))


@contextmanager
def write_blocks(path: Path, header: TableHeader) -> Iterator[BlockWriter]:
    """Yield what appends rows to a predictions CSV, which is put in place if the block succeeds."""
    with write_atomic(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as text:
            csv.writer(text, lineterminator="\n").writerows(header_rows(header))
        with open(temporary, "ab") as file, ThreadPoolExecutor(1) as thread:
            writer = BlockWriter(file, thread)
            yield writer
            writer.finish()
