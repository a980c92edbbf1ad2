"""DeepLabCut projects of one animal: ``labeled-data/<session>/CollectedData_<scorer>.csv``."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.images import refuse_outside
from lightning_pose.io.labels import parse_labels, write_labels
from lightning_pose.io.tables import read_rows
from lightning_pose.types import Labels, Problem, UserError

logger = logging.getLogger(__name__)

IND_CSV, OOD_CSV = "CollectedData.csv", "CollectedData_new.csv"
INDEX_PARTS = 3  # newer projects spread labeled-data, session and file over three columns


def convert_dlc(project_dir: Path, output_dir: Path, ood_start: int | None = None) -> None:
    """Convert a project: labels, labelled images and videos.

    Parameters
    ----------
    project_dir : folder with ``labeled-data/``.
    output_dir : data folder; an image that lies there unchanged is left alone.
    ood_start : first row, over all sessions in order, that goes to ``CollectedData_new.csv``.

    Raises
    ------
    UserError
        If it is no project, has several animals, or an image is missing.
    """
    labels = _merge(_read_sessions(_session_files(project_dir)))
    count = len(labels.image_paths)
    if ood_start is not None and not 0 < ood_start < count:
        raise UserError(
            Problem("--ood_start", f"1 to {count - 1}, within the labelled frames", str(ood_start))
        )
    refuse_outside(labels.image_paths, project_dir)
    missing = [path for path in labels.image_paths if not (project_dir / path).is_file()]
    if missing:
        raise UserError(
            [Problem(str(project_dir / path), "a labelled image", "no such file") for path in missing]
        )
    for path in labels.image_paths:
        _copy(project_dir / path, output_dir / path)
    for video in sorted((project_dir / "videos").glob("*")):
        if video.is_file():
            _copy(video, output_dir / "videos" / video.name)
    end = count if ood_start is None else ood_start
    if ood_start is None:  # of an earlier conversion: its frames are in the other file now
        (output_dir / OOD_CSV).unlink(missing_ok=True)
    else:
        write_labels(_rows(labels, slice(end, None)), output_dir / OOD_CSV)
    write_labels(_rows(labels, slice(0, end)), output_dir / IND_CSV)
    logger.info("%s: %d frames, %d of them out of distribution", output_dir, count, count - end)


def _session_files(project_dir: Path) -> list[Path]:
    files = sorted((project_dir / "labeled-data").glob("*/CollectedData_*.csv"))
    if not files:
        expected = "a DeepLabCut project with labeled-data/<session>/CollectedData_<scorer>.csv"
        raise UserError(Problem(str(project_dir), expected, "no such file"))
    return files


def _read_sessions(files: list[Path]) -> list[Labels]:
    sessions, problems = [], []
    for path in files:
        try:
            sessions.append(_read_session(path))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return sessions


def _read_session(path: Path) -> Labels:
    rows = read_rows(path)
    if any(row[:1] == ["individuals"] for row in rows[:4]):
        raise UserError(Problem(str(path), "labels of a single animal", "a row 'individuals'"))
    if len(rows) > INDEX_PARTS and rows[0][1:INDEX_PARTS] == [""] * (INDEX_PARTS - 1):
        header, body = rows[:INDEX_PARTS], rows[INDEX_PARTS:]
        rows = [[*row[:1], *row[INDEX_PARTS:]] for row in header]
        rows += [["/".join(row[:INDEX_PARTS]), *row[INDEX_PARTS:]] for row in body]
    return parse_labels(path, rows)


def _merge(sessions: list[Labels]) -> Labels:
    first = sessions[0]
    for other in sessions[1:]:
        if other.keypoint_names != first.keypoint_names:
            where = f"{other.image_paths[0]} and its session"
            raise UserError(Problem(where, f"keypoints {first.keypoint_names}", str(other.keypoint_names)))
    return replace(
        first,
        image_paths=[path for session in sessions for path in session.image_paths],
        keypoints_px=np.concatenate([session.keypoints_px for session in sessions]),
        visible=None,
    )


def _rows(labels: Labels, rows: slice) -> Labels:
    return replace(labels, image_paths=labels.image_paths[rows], keypoints_px=labels.keypoints_px[rows])


def _copy(source: Path, target: Path) -> None:
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return
    with write_atomic(target) as temporary:
        shutil.copyfile(source, temporary)
