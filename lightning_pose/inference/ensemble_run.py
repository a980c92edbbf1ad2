"""From members' predictions CSVs to that of their ensemble.

Predictions on videos pass through in blocks of rows, so that any number of frames fits into memory.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_pose.inference.ensemble import average_members, joint_splits, variance_columns
from lightning_pose.inference.member_files import (
    check_predicted,
    open_members,
    other_row,
    predicted_by,
    read_in_step,
)
from lightning_pose.io.predictions import BASIC, VARIANCES, read_predictions, write_predictions
from lightning_pose.io.table_blocks import write_blocks
from lightning_pose.io.tables import TableHeader
from lightning_pose.settings import Average
from lightning_pose.types import Predictions, UserError

logger = logging.getLogger(__name__)

SCORER = "ensemble"


def ensemble_files(
    members: Sequence[Path], output: Path, average: Average = Average.mean, variances: bool = True
) -> None:
    """Write the ensemble of several models' predictions on the same frames.

    Parameters
    ----------
    members : predictions CSVs in the same pixels, which is those of the frame unless all saw the same crops.
    output : the predictions CSV to write.
    average : how keypoints are averaged.
    variances : whether each keypoint has columns of the members' variance.

    Raises
    ------
    UserError
        If a file is not there or given twice, keypoints, frames or their order differ, or a member predicted
        nothing at all.
    """
    headers, is_video = open_members(members)
    if len(members) == 1:
        logger.warning("%s: one member only: its variance is undefined", output)
    if is_video:
        _ensemble_video(members, headers, output, average, variances)
    else:
        _ensemble_images(members, output, average, variances)


def _ensemble_images(members: Sequence[Path], output: Path, average: Average, variances: bool) -> None:
    tables = [read_predictions(path) for path in members]
    first = tables[0]
    problems = [
        other_row(path, members[0], own.index, first.index, 0)
        for path, own in zip(members, tables, strict=True)
        if own.index != first.index
    ]
    if problems:
        raise UserError(problems)
    keypoints_px = np.stack([own.keypoints_px for own in tables])
    check_predicted(members, predicted_by(keypoints_px), first.keypoint_names)
    averaged, confidence = average_members(
        keypoints_px, np.stack([own.confidence for own in tables]), average
    )
    splits = [own.splits for own in tables if own.splits is not None]
    silent = [str(path) for path, own in zip(members, tables, strict=True) if own.splits is None]
    if splits and silent:
        logger.warning("%s: it is unknown what these members were trained on, the column set tells of the "
                       "others alone: %s", output, ", ".join(silent))  # fmt: skip
    ensemble = Predictions(
        index=first.index,
        keypoint_names=first.keypoint_names,
        keypoints_px=averaged,
        confidence=confidence,
        splits=joint_splits(splits) if splits else None,
        scorer=SCORER,
        further=variance_columns(keypoints_px) if variances else {},
    )
    write_predictions(ensemble, output)


def _ensemble_video(
    members: Sequence[Path], headers: list[TableHeader], output: Path, average: Average, variances: bool
) -> None:
    names = headers[0].keypoint_names
    coords = (*BASIC, *VARIANCES) if variances else BASIC
    predicted = np.zeros((len(members), len(names)), bool)
    with write_blocks(output, TableHeader(SCORER, names, coords, False, False)) as writer:
        for frames, keypoints_px, confidence in read_in_step(members, headers):
            predicted |= predicted_by(keypoints_px)
            averaged, likelihood = average_members(keypoints_px, confidence, average)
            columns = {"x": averaged[..., 0], "y": averaged[..., 1], "likelihood": likelihood}
            writer.write(frames, columns | (variance_columns(keypoints_px) if variances else {}))
        check_predicted(members, predicted, names)
