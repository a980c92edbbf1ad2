"""Several models' predictions CSVs on the same frames, checked against each other and read in step.

Axes: M members, T frames, K keypoints.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from lightning_pose.io.table_blocks import PredictionBlock, read_blocks, read_header
from lightning_pose.io.tables import HEADER_ROWS, TableHeader
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)


def open_members(members: Sequence[Path]) -> tuple[list[TableHeader], bool]:
    """Return all headers, and whether the rows are frames of a video.

    Raises
    ------
    UserError
        If a file is not there or given twice, or keypoints, their order or the kind of rows differ.
    """
    repeated = [path for i, path in enumerate(members) if path.resolve() in _resolved(members[:i])]
    if repeated:
        raise UserError(Problem(str(repeated[0]), "each member once", "it again"))
    headers = _same_keypoints(members)
    is_video = [first.isdecimal() for _, first in headers]
    if is_video != is_video[:1] * len(members):
        other = members[is_video.index(not is_video[0])]
        expected = "frame numbers" if is_video[0] else "image paths"
        raise UserError(Problem(str(other), f"rows named by {expected}, as in {members[0]}", "others"))
    return [header for header, _ in headers], is_video[0]


def read_in_step(
    members: Sequence[Path], headers: list[TableHeader]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield frames, (T,), keypoints, (M, T, K, 2), and confidence, (M, T, K), of all members' next rows."""
    streams = [read_blocks(path, header) for path, header in zip(members, headers, strict=True)]
    done = 0
    for blocks in zip_longest(*streams, fillvalue=None):
        indices: list[np.ndarray] = [np.array([]) if block is None else block.frames for block in blocks]
        problems = [
            other_row(path, members[0], own, indices[0], done)
            for path, own in zip(members, indices, strict=True)
            if not np.array_equal(own, indices[0])
        ]
        if problems:
            raise UserError(problems)
        there: list[PredictionBlock] = [block for block in blocks if block is not None]
        keypoints_px = np.stack([block.keypoints_px for block in there])
        yield there[0].frames, keypoints_px, np.stack([block.confidence for block in there])
        done += len(there[0])


def other_row(
    path: Path,
    first: Path,
    own: Sequence[object] | np.ndarray,
    wanted: Sequence[object] | np.ndarray,
    done: int,
) -> Problem:
    """Name the first row that differs; `done` rows before did not."""
    both = zip_longest(own, wanted)
    place, (found, expected) = next((i, pair) for i, pair in enumerate(both) if pair[0] != pair[1])
    wanted_text = "no further row" if expected is None else f"{expected}"
    found_text = "no further row" if found is None else f"{found}"
    return Problem(
        f"{path}, row {HEADER_ROWS + 1 + done + place}", f"{wanted_text}, as in {first}", found_text
    )


def predicted_by(keypoints_px: np.ndarray) -> np.ndarray:
    """Return which members, (M, N, K, 2), predicted which keypoints in any row: (M, K)."""
    return np.isfinite(keypoints_px).all(-1).any(1)


def check_predicted(members: Sequence[Path], predicted: np.ndarray, names: list[str]) -> None:
    """Refuse members that predicted nothing, and warn of keypoints that one never predicted."""
    problems = [
        Problem(str(path), "predicted keypoints", "empty cells only")
        for path, own in zip(members, predicted, strict=True)
        if not own.any()
    ]
    if problems:
        raise UserError(problems)
    for path, own in zip(members, predicted, strict=True):
        if not own.all():
            missing = [name for name, there in zip(names, own, strict=True) if not there]
            logger.warning("%s: left out of keypoints that it never predicts: %s", path, ", ".join(missing))


def _resolved(paths: Sequence[Path]) -> set[Path]:
    return {path.resolve() for path in paths}


def _same_keypoints(members: Sequence[Path]) -> list[tuple[TableHeader, str]]:
    """Read all headers, and refuse other keypoints, or those in another order, than the first member's."""
    found, problems = [], []
    for path in members:
        try:
            found.append(read_header(path))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    names = found[0][0].keypoint_names
    for path, (header, _) in zip(members, found, strict=True):
        if header.keypoint_names != names:
            expected = f"keypoints as in {members[0]}: {', '.join(names)}"
            problems.append(Problem(f"{path}, header", expected, ", ".join(header.keypoint_names)))
    if problems:
        raise UserError(problems)
    return found
