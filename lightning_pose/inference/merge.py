"""Join what several runs found in stretches of one video: predictions, or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from lightning_pose.geometry.boxes import join_boxes
from lightning_pose.inference.stretch_origins import check_origins
from lightning_pose.io.bboxes import COLUMNS, read_bboxes, write_bboxes
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.io.tables import read_rows
from lightning_pose.io.video_facts import probe_video
from lightning_pose.types import Predictions, Problem, UserError


def merge_files(paths: Sequence[Path], output: Path, video: Path | None = None) -> None:
    """Join CSVs of stretches, in any order, to one of the whole video.

    Parameters
    ----------
    paths : predictions CSVs, or bounding-box CSVs.
    output : the CSV to write.
    video : the video, to check that it is theirs and that nothing is missing at its end; None = not checked.

    Raises
    ------
    UserError
        If they are no such files, or do not fit together: frames that are missing or there twice, other
        videos, models or settings, networks that were computed differently.
    """
    header = read_rows(paths[0], 1)
    if header and {*COLUMNS} <= {name.strip() for name in header[0]}:
        boxes = [read_bboxes(path) for path in paths]
        order = _in_order(paths, [own.index for own in boxes], video)
        check_origins([paths[place] for place in order], video)
        write_bboxes(join_boxes([boxes[place] for place in order]), output)
    else:
        predictions = [read_predictions(path) for path in paths]
        order = _in_order(paths, [own.index for own in predictions], video)
        own_paths, parts = [paths[place] for place in order], [predictions[place] for place in order]
        check_origins(own_paths, video)
        _same_columns(own_paths, parts)
        write_predictions(_join_predictions(parts), output)


def _in_order(paths: Sequence[Path], indices: list[list], video: Path | None) -> list[int]:
    """Return the order of the files, by the frames that they begin with."""
    wrong = [path for path, index in zip(paths, indices, strict=True) if not _is_stretch(index)]
    if wrong:
        raise UserError([Problem(str(path), "rows of consecutive video frames", "others") for path in wrong])
    order = sorted(range(len(paths)), key=lambda place: indices[place][0])
    first = indices[order[0]][0]
    problems = (
        [] if first == 0 else [Problem(str(paths[order[0]]), "frame 0 in one of the files", f"{first} first")]
    )
    for before, after in pairwise(order):
        expected, found = indices[before][-1] + 1, indices[after][0]
        if expected != found:
            problems.append(
                Problem(str(paths[after]), f"frame {expected} next, after {paths[before]}", str(found))
            )
    if video is not None:
        advice = "without --video, the files are joined whatever is missing at its end"
        last, count = indices[order[-1]][-1], probe_video(video, advice=advice).frame_count
        if last + 1 != count:
            problems.append(
                Problem(str(paths[order[-1]]), f"{count - 1} as last frame, as in {video}", str(last))
            )
    if problems:
        raise UserError(problems)
    return order


def _is_stretch(index: list) -> bool:
    return bool(index) and isinstance(index[0], int) and index == list(range(index[0], index[0] + len(index)))


def _same_columns(paths: list[Path], parts: list[Predictions]) -> None:
    names = parts[0].keypoint_names
    problems = [
        Problem(
            f"{path}, header",
            f"keypoints {', '.join(names)}, as in {paths[0]}",
            ", ".join(own.keypoint_names),
        )
        for path, own in zip(paths, parts, strict=True)
        if own.keypoint_names != names
    ]
    has_boxes = parts[0].xywh_frame_px is not None
    problems += [
        Problem(
            f"{path}, header", f"{_box_columns(has_boxes)}, as in {paths[0]}", _box_columns(not has_boxes)
        )
        for path, own in zip(paths, parts, strict=True)
        if (own.xywh_frame_px is not None) != has_boxes
    ]
    if problems:
        raise UserError(problems)


def _box_columns(has_boxes: bool) -> str:
    return "columns of boxes" if has_boxes else "no columns of boxes"


def _join_predictions(parts: list[Predictions]) -> Predictions:
    index = [number for own in parts for number in own.index]
    keypoints_px = np.concatenate([own.keypoints_px for own in parts])
    confidence = np.concatenate([own.confidence for own in parts])
    boxes = [own.xywh_frame_px for own in parts if own.xywh_frame_px is not None]
    return Predictions(
        index,  # type: ignore[arg-type]
        parts[0].keypoint_names,
        keypoints_px,
        confidence,
        scorer=parts[0].scorer,
        xywh_frame_px=np.concatenate(boxes) if len(boxes) == len(parts) else None,
        further={
            name: np.concatenate([own.further[name] for own in parts])
            for name in parts[0].further
            if all(name in own.further for own in parts)
        },
    )
