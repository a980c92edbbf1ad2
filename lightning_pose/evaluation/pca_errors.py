"""How far predicted poses lie from those that a model was trained on, by the PCA of its training labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch

from lightning_pose.data.dataset import select_rows
from lightning_pose.data.frame_labels import labels_in_frame_px, labels_path
from lightning_pose.geometry.pca import centred_poses, fit_subspace, matched_views, reprojection_error
from lightning_pose.io.cropzoom_dir import is_cropzoom_dir, read_cropzoom
from lightning_pose.io.labels import read_labels
from lightning_pose.io.model_dir import read_model_settings, read_splits
from lightning_pose.settings import Settings
from lightning_pose.settings_checks import column_problems
from lightning_pose.types import Labels, Predictions, Problem, Split, UserError

SINGLEVIEW, MULTIVIEW = "pca_singleview_error", "pca_multiview_error"


def pca_errors(
    predictions: Predictions, model_dir: Path, overrides: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Return the PCA errors that the settings of a model ask for, by name, each (T, K) in frame pixels.

    The single-view error if ``data.columns_for_singleview_pca`` names keypoints, the multi-view error if
    ``data.mirrored_column_matches`` names views. NaN: a keypoint that they don't name, or one whose pose has
    a gap.

    Parameters
    ----------
    predictions : in frame pixels.
    model_dir : a trained model's folder, or that of a cropzoom model, whose pose model counts.
    overrides : ``key=value`` over its settings.

    Raises
    ------
    UserError
        If the training's labels are gone, are of other keypoints, or too few are complete for a PCA.
    """
    folder = read_cropzoom(model_dir).pose_dir if is_cropzoom_dir(model_dir) else model_dir
    settings = read_model_settings(folder, overrides)
    data = settings.data
    if not data.columns_for_singleview_pca and not data.mirrored_column_matches:
        return {}
    labels = _training_labels(settings, folder)
    if labels.keypoint_names != predictions.keypoint_names:
        expected = f"the predictions' keypoints {predictions.keypoint_names}"
        raise UserError(Problem(f"{labels_path(settings)}, header", expected, str(labels.keypoint_names)))
    problems = [Problem(*own) for own in column_problems(data, len(labels.keypoint_names))]
    if problems:
        raise UserError(problems)
    errors = {}
    if data.columns_for_singleview_pca:
        errors[SINGLEVIEW] = _singleview(predictions, labels, data.columns_for_singleview_pca, settings)
    if data.mirrored_column_matches:
        errors[MULTIVIEW] = _multiview(predictions, labels, data.mirrored_column_matches, settings)
    return errors


def remove_earlier(predictions_csv: Path, errors: Collection[str]) -> None:
    """Remove an earlier run's PCA errors beside predictions, but those that ``errors`` names."""
    for name in {SINGLEVIEW, MULTIVIEW}.difference(errors):
        predictions_csv.with_name(f"{predictions_csv.stem}_{name}.csv").unlink(missing_ok=True)


def _training_labels(settings: Settings, folder: Path) -> Labels:
    """Return the labels that the model learned from, in frame pixels."""
    path, splits = labels_path(settings), read_splits(folder)
    labels = read_labels(path)
    used = [row for row, name in enumerate(labels.image_paths) if splits.get(name) == Split.TRAIN.value]
    return labels_in_frame_px(select_rows(labels, used), path)


def _singleview(
    predictions: Predictions, labels: Labels, columns: list[int], settings: Settings
) -> np.ndarray:
    names = [labels.keypoint_names[column] for column in columns]
    keep = settings.losses.pca_singleview.components_to_keep
    poses = centred_poses(labels.keypoints_px, columns)
    subspace = fit_subspace(poses, keep, names, "losses.pca_singleview")
    errors = np.full(predictions.confidence.shape, np.nan)
    points = torch.from_numpy(centred_poses(predictions.keypoints_px.astype(float), columns))
    errors[:, columns] = reprojection_error(points, subspace).numpy()
    return errors


def _multiview(
    predictions: Predictions, labels: Labels, views: list[list[int]], settings: Settings
) -> np.ndarray:
    names = [f"view {number + 1}" for number in range(len(views))]
    keep = settings.losses.pca_multiview.components_to_keep
    parts = matched_views(labels.keypoints_px, views).reshape(-1, len(views), 2)
    subspace = fit_subspace(parts, keep, names, "losses.pca_multiview")
    errors = np.full(predictions.confidence.shape, np.nan)
    points = torch.from_numpy(matched_views(predictions.keypoints_px.astype(float), views))
    errors[:, np.array(views).T] = reprojection_error(points, subspace).numpy()
    return errors
