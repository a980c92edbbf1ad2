"""What is written of a video: predictions, as parquet too, with box columns, and metrics beside them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_pose.evaluation.video_metrics import measure_video, write_video_metrics
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Boxes, Predictions, UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoOutput:
    """What is written besides keypoints and confidence.

    Parameters
    ----------
    bbox_columns : the box that each frame was looked at in, beside its keypoints.
    parquet : the same table as parquet, beside the CSV.
    """

    bbox_columns: bool = False
    parquet: bool = False


KEYPOINTS_ONLY = VideoOutput()


def write_video_predictions(
    predictions: Predictions,
    boxes: Boxes,
    path: Path,
    output: VideoOutput,
    model_dir: Path | None = None,
) -> None:
    """Write what is predicted of a video; a parquet table that an earlier run left is written anew, too.

    Parameters
    ----------
    predictions : in frame pixels.
    boxes : what was looked at.
    path : of the predictions CSV.
    output : what besides.
    model_dir : of the model, whose settings say which metrics there are; None = none are written.
    """
    if output.bbox_columns:
        predictions = replace(predictions, xywh_frame_px=boxes.xywh_px)
    write_predictions(predictions, path)
    table = path.with_suffix(".parquet")
    if output.parquet or table.is_file():
        from lightning_pose.io.parquet import holds_predictions, write_parquet

        if output.parquet or holds_predictions(table):
            write_parquet(predictions, table)
    logger.info("wrote %s", path)
    if model_dir is not None:
        _write_metrics(predictions, path, model_dir)


def _write_metrics(predictions: Predictions, path: Path, model_dir: Path) -> None:
    """Write the metrics; without PCA errors, and with a warning, where there can be none."""
    from lightning_pose.evaluation.pca_errors import pca_errors, remove_earlier

    metrics = measure_video(predictions, path)
    try:
        metrics |= pca_errors(predictions, model_dir)
    except UserError as error:
        logger.warning("no PCA errors beside %s: %s", path, error.problems[0])
    remove_earlier(path, metrics)
    write_video_metrics(predictions, metrics, path)
