"""Read what a crop QA looks at, and bring it into one order: that of the labels, or of the predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.crop_qa import CropQa
from lightning_pose.evaluation.ood_input import match_predictions
from lightning_pose.inference.remap import match_rows
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.crop_manifest import crops_dir
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import read_predictions
from lightning_pose.types import Boxes, Labels, Predictions, Problem, UserError


def read_crop_qa(
    bbox_csv: Path, labels_csv: Path | None, predictions_csv: Path | None, min_confidence: float
) -> CropQa:
    """Read boxes, and the keypoints that should lie in them.

    Parameters
    ----------
    bbox_csv : boxes in frame pixels.
    labels_csv : labels of the frames; None = there are none.
    predictions_csv : predictions in frame pixels, which count where there is no label; None = none.
    min_confidence : predictions below don't count.

    Raises
    ------
    UserError
        If the files are not of the same images or frames, or of crops.
    """
    if labels_csv is not None:
        return _of_labels(bbox_csv, labels_csv, predictions_csv, min_confidence)
    if predictions_csv is None:
        raise UserError(Problem("--labels, --predictions", "one of the two, or both", "none"))
    predictions = read_predictions(predictions_csv)
    return CropQa(
        predictions.index,
        predictions.keypoint_names,
        _confident(predictions.keypoints_px, predictions.confidence, min_confidence),
        np.zeros(predictions.confidence.shape, dtype=bool),
        _boxes_of(predictions, bbox_csv, predictions_csv),
        predictions.confidence,
    )


def _of_labels(
    bbox_csv: Path, labels_csv: Path, predictions_csv: Path | None, min_confidence: float
) -> CropQa:
    if crops_dir(labels_csv) is not None:
        raise UserError(Problem(str(labels_csv), "a CSV of frames", "one of crops"))
    labels = read_labels(labels_csv)
    is_label = np.isfinite(labels.keypoints_px).all(-1)
    keypoints_px, confidence = labels.keypoints_px, np.full(is_label.shape, np.nan)
    if predictions_csv is not None:
        predictions = read_predictions(predictions_csv)
        order, columns = match_predictions(predictions, labels, predictions_csv, labels_csv)
        confidence = predictions.confidence[order][:, columns]
        predicted = _confident(predictions.keypoints_px[order][:, columns], confidence, min_confidence)
        keypoints_px = np.where(is_label[..., None], keypoints_px, predicted)
    boxes = _boxes_of(_as_predictions(labels), bbox_csv, labels_csv)
    return CropQa(labels.image_paths, labels.keypoint_names, keypoints_px, is_label, boxes, confidence)


def _confident(keypoints_px: np.ndarray, confidence: np.ndarray, least: float) -> np.ndarray:
    return np.where((confidence >= least)[..., None], keypoints_px, np.nan)


def _as_predictions(labels: Labels) -> Predictions:
    known = np.ones(labels.keypoints_px.shape[:2])
    return Predictions(labels.image_paths, labels.keypoint_names, labels.keypoints_px, known)


def _boxes_of(predictions: Predictions, bbox_csv: Path, keypoints_csv: Path) -> Boxes:
    """Return the boxes in the order of the predictions."""
    boxes = read_bboxes(bbox_csv)
    rows = match_rows(predictions, boxes, keypoints_csv, bbox_csv)
    return replace(boxes.rows(rows), index=predictions.index)
