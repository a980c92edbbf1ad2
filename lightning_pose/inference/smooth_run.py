"""From members' predictions CSVs on a video to the smoothed ones."""

from __future__ import annotations

import importlib.metadata
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_pose.inference.ensemble import average_members, variance_columns
from lightning_pose.inference.member_files import check_predicted, open_members, predicted_by, read_in_step
from lightning_pose.inference.smooth import smooth_members
from lightning_pose.io.predictions import BASIC, MEDIANS, POSTERIOR_VARIANCES, SMOOTHED
from lightning_pose.io.table_blocks import write_blocks
from lightning_pose.io.tables import HEADER_ROWS, TableHeader
from lightning_pose.settings import Average
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

SCORER = "ensemble-kalman_tracker"  # the package's own name in files
PACKAGE = "ensemble-kalman-smoother"


def smooth_files(
    members: Sequence[Path],
    output: Path,
    views: Sequence[Sequence[int]] = (),
    smooth_param: float | None = None,
    fit_frames: int | None = None,
    variances: bool = True,
) -> None:
    """Write what several models predict on a video, smoothed.

    Parameters
    ----------
    members : predictions CSVs of the same video, in the same pixels.
    output : the predictions CSV to write; its likelihood is the mean over the members.
    views, smooth_param, fit_frames : see `smooth.smooth_members`.
    variances : whether each keypoint has columns of the members' median and variance, and of the smoother's
        posterior variance.

    Raises
    ------
    UserError
        If a member does not fit the others, is no video, there are fewer than two, a view names no keypoint,
        or the package is missing.
    """
    headers, is_video = open_members(members)
    names = headers[0].keypoint_names
    problems = list(_problems(members, is_video, names, views, smooth_param, fit_frames))
    if problems:
        raise UserError(problems)
    _require_package(output)
    blocks = list(read_in_step(members, headers))
    frames = np.concatenate([block[0] for block in blocks])
    keypoints_px = np.concatenate([block[1] for block in blocks], axis=1)
    confidence = np.concatenate([block[2] for block in blocks], axis=1)
    _check_frames(members[0], frames)
    check_predicted(members, predicted_by(keypoints_px), names)
    start = time.monotonic()
    smoothed_px, variance = smooth_members(keypoints_px, confidence, views, smooth_param, fit_frames)
    logger.info("%s: %d frames smoothed in %.0f s", output, len(frames), time.monotonic() - start)
    columns = _columns(keypoints_px, confidence, smoothed_px, variance)
    coords = (*BASIC, *SMOOTHED) if variances else BASIC
    with write_blocks(output, TableHeader(SCORER, names, coords, False, False)) as writer:
        writer.write(frames, {coord: columns[coord] for coord in coords})


def _columns(
    keypoints_px: np.ndarray, confidence: np.ndarray, smoothed_px: np.ndarray, variance: np.ndarray
) -> dict[str, np.ndarray]:
    """Return all columns by their names in files, each (T, K)."""
    median_px, likelihood = average_members(keypoints_px, confidence, Average.median)
    is_bridged = np.isfinite(smoothed_px).all(-1) & ~np.isfinite(median_px).all(-1)
    likelihood = np.where(is_bridged, 0.0, likelihood)
    pairs = {("x", "y"): smoothed_px, MEDIANS: median_px, POSTERIOR_VARIANCES: variance}
    columns = {name: own[..., axis] for pair, own in pairs.items() for axis, name in enumerate(pair)}
    return columns | {"likelihood": likelihood} | variance_columns(keypoints_px)


def _problems(
    members: Sequence[Path],
    is_video: bool,
    names: list[str],
    views: Sequence[Sequence[int]],
    smooth_param: float | None,
    fit_frames: int | None,
) -> list[Problem]:
    found = []
    if not is_video:
        found.append(Problem(str(members[0]), "rows named by frame numbers, of a video", "image paths"))
    if len(members) < 2:
        expected = "two members or more, whose variance says how much to trust them"
        found.append(Problem(str(members[0]), expected, "this one alone"))
    if smooth_param is not None and not (math.isfinite(smooth_param) and smooth_param > 0):
        found.append(Problem("--smooth_param", "a number above 0", str(smooth_param)))
    if fit_frames is not None and fit_frames < 2:
        found.append(Problem("--fit_frames", "two frames or more", str(fit_frames)))
    columns = [k for view in views for k in view]
    last = len(names) - 1
    if len(views) == 1 or len({len(view) for view in views}) > 1:
        found.append(Problem("--view", "two views or more, of equally many keypoints", str(list(views))))
    elif any(not 0 <= k <= last for k in columns) or len(set(columns)) < len(columns):
        found.append(Problem("--view", f"keypoint numbers from 0 to {last}, each once", str(list(views))))
    return found


def _check_frames(path: Path, frames: np.ndarray) -> None:
    """Refuse frames that do not follow one another: the smoother takes each row for the next moment."""
    if len(frames) < 2:
        raise UserError(Problem(str(path), "two frames or more", str(len(frames))))
    wrong = np.flatnonzero(np.diff(frames) != 1)
    if wrong.size:
        row = int(wrong[0]) + 1
        where = f"{path}, row {HEADER_ROWS + 1 + row}"
        raise UserError(Problem(where, f"frame {frames[row - 1] + 1}", str(frames[row])))


def _require_package(output: Path) -> None:
    try:
        logger.info("%s %s", PACKAGE, importlib.metadata.version(PACKAGE))
    except importlib.metadata.PackageNotFoundError:
        expected = f"the package {PACKAGE}, in an environment of its own"
        found = "none (make eks, then --python .venv-eks/bin/python; or snakemake --sdm conda)"
        raise UserError(Problem(str(output), expected, found)) from None
