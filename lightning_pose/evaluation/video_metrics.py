"""What can be said of a video's predictions without labels: motion, PCA errors, confidence.

Files carry the names of Lightning Pose: ``<predictions>_temporal_norm.csv`` and, where the model's settings
name keypoints or views, ``<predictions>_pca_singleview_error.csv`` and ``_pca_multiview_error.csv``, one row
a frame and one column a keypoint, in frame pixels. ``<predictions>_metrics.csv`` sums them up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.metrics import summarize
from lightning_pose.io.files import write_atomic
from lightning_pose.io.predictions import write_pixel_errors
from lightning_pose.io.tables import HEADER_ROWS, format_number, text_cell
from lightning_pose.types import Predictions, Problem, UserError

TEMPORAL_NORM, CONFIDENCE = "temporal_norm", "confidence"
ALL = "all"  # keypoints
SUMMARY_COLUMNS = ("metric", "keypoint", "n", "mean", "median", "p10", "p90")


def temporal_norm(keypoints_frame_px: np.ndarray) -> np.ndarray:
    """Return how far each keypoint has moved since the frame before, in frame pixels.

    Parameters
    ----------
    keypoints_frame_px : array, (T, K, 2)
        Of consecutive frames; NaN = not predicted.

    Returns
    -------
    array, (T, K)
        NaN in the first frame, and where a keypoint is missing now or before.

    References
    ----------
    Biderman et al., Nature Methods 2024, "Lightning Pose", Methods: temporal difference norm.
    """
    moved = np.full(keypoints_frame_px.shape[:2], np.nan)
    moved[1:] = np.linalg.norm(np.diff(keypoints_frame_px, axis=0), axis=-1)
    return moved


def measure_video(predictions: Predictions, predictions_csv: Path) -> dict[str, np.ndarray]:
    """Return the metrics that need no model, by name, each (T, K).

    Raises
    ------
    UserError
        If the rows are not consecutive frames of a video.
    """
    first = predictions.index[0]
    for row, name in enumerate(predictions.index):
        if not isinstance(first, int) or name != first + row:
            where = f"{predictions_csv}, row {row + HEADER_ROWS + 1}"
            raise UserError(Problem(where, "consecutive frames of a video", str(name)))
    return {TEMPORAL_NORM: temporal_norm(predictions.keypoints_px), CONFIDENCE: predictions.confidence}


def write_video_metrics(
    predictions: Predictions, metrics: dict[str, np.ndarray], predictions_csv: Path
) -> list[Path]:
    """Write each metric, and what they come to, beside the predictions.

    Parameters
    ----------
    predictions : of consecutive frames.
    metrics : by name, each (T, K); NaN = not defined. Confidence goes into the sums alone: the predictions
        have it.
    predictions_csv : where the predictions lie.

    Returns
    -------
    list of Path
        What was written.
    """
    written = []
    for name, values in metrics.items():
        if name != CONFIDENCE:
            written.append(predictions_csv.with_name(f"{predictions_csv.stem}_{name}.csv"))
            write_pixel_errors(written[-1], predictions.index, predictions.keypoint_names, values)
    summary = predictions_csv.with_name(f"{predictions_csv.stem}_metrics.csv")
    with write_atomic(summary) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SUMMARY_COLUMNS)
        writer.writerows(_summary_rows(predictions.keypoint_names, metrics))
    return [*written, summary]


def _summary_rows(keypoint_names: list[str], metrics: dict[str, np.ndarray]) -> Iterator[list[str]]:
    for metric, values in metrics.items():
        columns = {name: values[:, k] for k, name in enumerate(keypoint_names)}
        for keypoint, own in {**columns, ALL: values}.items():
            numbers = summarize(own)
            known = own[np.isfinite(own)]
            numbers["p10"] = float(np.percentile(known, 10)) if known.size else np.nan
            yield [
                metric,
                text_cell(keypoint),
                *(format_number(numbers[name]) for name in SUMMARY_COLUMNS[2:]),
            ]
