"""Join what several runs found in stretches of one video: predictions, or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.geometry.boxes import join_boxes
from lightning_pose.io.bboxes import COLUMNS, read_bboxes, write_bboxes
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.io.provenance import read_provenance
from lightning_pose.io.tables import read_rows
from lightning_pose.io.video_facts import probe_video
from lightning_pose.traces import RUNTIME_FACT
from lightning_pose.types import Predictions, Problem, UserError


def merge_files(paths: Sequence[Path], output: Path, video: Path | None = None) -> None:
    """Join CSVs of stretches, in any order, to one of the whole video.

    Parameters
    ----------
    paths : predictions CSVs, or bounding-box CSVs.
    output : the CSV to write.
    video : the video, to check that nothing is missing at its end; None = not checked.

    Raises
    ------
    UserError
        If they are no such files, or do not fit together: frames that are missing or there twice, networks
        that were computed differently.
    """
    header = read_rows(paths[0])[:1]
    if header and {*COLUMNS} <= {name.strip() for name in header[0]}:
        boxes = [read_bboxes(path) for path in paths]
        order = _in_order(paths, [own.index for own in boxes], video)
        write_bboxes(join_boxes([boxes[place] for place in order]), output)
    else:
        predictions = [read_predictions(path) for path in paths]
        order = _in_order(paths, [own.index for own in predictions], video)
        _same_runtimes([paths[place] for place in order])
        _same_keypoints([paths[place] for place in order], [predictions[place] for place in order])
        write_predictions(_join_predictions([predictions[place] for place in order]), output)


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


def _same_runtimes(paths: Sequence[Path]) -> None:
    """Refuse predictions of which is known that runtimes differ, which round differently."""
    folders = {path.parent: read_provenance(path.parent) for path in paths}
    told = {path: _runtimes(folders[path.parent], path.name) for path in paths}
    known = {path: runtimes for path, runtimes in told.items() if runtimes}
    first = next(iter(known), None)
    problems = [
        Problem(str(path), f"networks computed as in {first} ({known[first]})", runtimes)
        for path, runtimes in known.items()
        if first is not None and runtimes != known[first]
    ]
    if problems:
        raise UserError(problems)


def _runtimes(provenance: dict[str, dict[str, Any]], name: str) -> str:
    """Return what computed the networks behind a file; empty if that is not known."""
    run = provenance["runs"].get(provenance["files"].get(name, {}).get("run"), {})
    facts = {key: value for key, value in run.items() if key.startswith(RUNTIME_FACT)}
    return ", ".join(f"{key.removeprefix(RUNTIME_FACT)}: {facts[key]}" for key in sorted(facts))


def _same_keypoints(paths: list[Path], parts: list[Predictions]) -> None:
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
    if problems:
        raise UserError(problems)


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
