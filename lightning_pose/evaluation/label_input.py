"""Read what is drawn into a video, checked row for row against its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.predictions import read_predictions
from lightning_pose.io.video_facts import VideoFacts
from lightning_pose.io.video_stretch import refuse_other_frames
from lightning_pose.types import Boxes, Predictions, Problem, UserError


def read_labelled(
    predictions_csv: Path,
    bbox_csv: Path | None,
    frames: range,
    facts: VideoFacts,
    allow_truncated: bool = False,
) -> tuple[Predictions, Boxes | None]:
    """Read predictions and boxes of a video.

    Parameters
    ----------
    predictions_csv, bbox_csv : the files; None = no boxes.
    frames : there must be a row for each of these.
    facts : of the video.
    allow_truncated : whether there may be rows of frames that the video lost.

    Returns
    -------
    predictions : Predictions
        Of consecutive frames: those of the file, where it has boxes too.
    boxes : Boxes or None
        Of the same frames.

    Raises
    ------
    UserError
        If a frame's row is missing, or the files are not of the video.
    """
    predictions = read_predictions(predictions_csv)
    there = _frames_of(predictions.index, frames, predictions_csv, facts, allow_truncated)
    if bbox_csv is None:
        return predictions, None
    boxes = read_bboxes(bbox_csv)
    with_box = _frames_of(boxes.index, frames, bbox_csv, facts, allow_truncated)
    both = range(max(there.start, with_box.start), min(there.stop, with_box.stop))
    return _of_frames(predictions, both), _boxes_of_frames(boxes, both)


def _frames_of(
    index: Sequence[str | int], frames: range, path: Path, facts: VideoFacts, allow_truncated: bool
) -> range:
    """Return the frames that rows are of; they must be consecutive, and all that are asked for."""
    expected = (
        f"a row for each of the frames {frames.start} to {frames.stop - 1} of {facts.path} (see --frames)"
    )
    if not index or not isinstance(index[0], int):
        found = f"{index[0]}, which is no frame number" if index else "none"
        raise UserError(Problem(str(path), expected, found))
    numbers = np.array(index)
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    if len(breaks):
        found = f"frame {numbers[breaks[0] + 1]} after frame {numbers[breaks[0]]}"
        raise UserError(Problem(str(path), "a row for each frame in turn", found))
    if numbers[0] > frames.start or numbers[-1] < frames.stop - 1:
        raise UserError(Problem(str(path), expected, f"frames {numbers[0]} to {numbers[-1]}"))
    if not allow_truncated:
        refuse_other_frames(path, index, facts)
    return range(int(numbers[0]), int(numbers[-1]) + 1)


def _of_frames(predictions: Predictions, frames: range) -> Predictions:
    rows = _rows(predictions.index, frames)
    return Predictions(
        list(frames),
        predictions.keypoint_names,
        predictions.keypoints_px[rows],
        predictions.confidence[rows],
        scorer=predictions.scorer,
    )


def _boxes_of_frames(boxes: Boxes, frames: range) -> Boxes:
    rows = _rows(boxes.index, frames)
    return replace(boxes.rows(range(rows.start, rows.stop)), index=list(frames))


def _rows(index: Sequence[str | int], frames: range) -> slice:
    first = int(index[0])
    return slice(frames.start - first, frames.stop - first)
