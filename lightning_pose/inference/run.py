"""Predict on labels CSVs and write everything that belongs beside the predictions."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_pose.data.context import find_context
from lightning_pose.data.crops import crop_labeled_images
from lightning_pose.data.frame_labels import frame_hw_trained_on, is_of_crops, is_other_shape
from lightning_pose.evaluation.metrics import pixel_error
from lightning_pose.geometry.boxes import boxes_from_keypoints, rule_of
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.remap import match_rows, remap, remap_file
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.crop_manifest import MANIFEST, crops_dir, not_as_cropped, read_manifest
from lightning_pose.io.destination import check_destinations, refuse_inputs
from lightning_pose.io.files import alone, read_json, sha256, write_json
from lightning_pose.io.images import image_size, refuse_outside
from lightning_pose.io.labels import read_labels, refuse_repeated
from lightning_pose.io.model_dir import read_model_settings, weights_of
from lightning_pose.io.predictions import read_predictions, write_pixel_errors, write_predictions
from lightning_pose.settings import Settings, WorkflowSettings, takes_context
from lightning_pose.types import Boxes, Labels, Predictions, Problem, UserError

logger = logging.getLogger(__name__)


def predict(
    model_dir: Path,
    inputs: list[Path],
    data_dir: Path | None = None,
    output: Path | None = None,
    detector_mode: bool = False,
    overrides: Sequence[str] = (),
) -> None:
    """Predict on each labels CSV with the model of a folder.

    Parameters
    ----------
    model_dir : the trained model's folder.
    inputs : labels CSVs, by path or by their name in the data folder.
    data_dir : folder that image paths are relative to; None = that of the crops, or of the training.
    output : where the predictions go, and nothing else is written; None = they go to
        ``MODEL_DIR/image_preds/<csv>/predictions.csv`` and all that belongs to them beside it.
    detector_mode : write boxes and crops too.
    overrides : ``key=value`` over the settings of the training, such as ``training.test_batch_size=8``.
    """
    settings = read_model_settings(model_dir, overrides)
    resolved = [resolve_input(path, data_dir or Path(settings.data.data_dir)) for path in inputs]
    labels = [read_labels_for(path, settings) for path in resolved]
    for path, entry in zip(resolved, labels, strict=True):
        if data_dir is None:
            _same_kind_of_images(path, settings)
        folder = _images_dir(path, data_dir, settings)
        refuse_outside(entry.image_paths, folder, path)
        if problems := not_as_cropped(path, folder):
            raise UserError(problems)
    refuse_inputs([output] if output else [], resolved)
    check_destinations([output or predictions_csv(model_dir, path) for path in resolved])
    predictor = Predictor(model_dir, overrides)
    for path, entry in zip(resolved, labels, strict=True):
        folder = _images_dir(path, data_dir, settings)
        predictions = predictor.predict_images(entry.image_paths, folder)
        if output is not None:
            write_predictions(predictions, output)
            continue
        destination = predictions_csv(model_dir, path)
        with alone(destination.parent):
            write_with_errors(predictions, entry, destination)
            if is_crops_csv(path):
                _remap_with_errors(destination, path)
            if detector_mode:
                write_json(_origin(model_dir, entry, folder, settings), destination.with_suffix(".json"))
                write_crops(predictions, path, folder, model_dir, settings.workflow)


def write_with_errors(predictions: Predictions, labels: Labels, destination: Path) -> None:
    """Write predictions, and beside them their pixel errors against the labels."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(predictions, destination)
    errors = pixel_error(predictions.keypoints_px, labels.keypoints_px)
    write_pixel_errors(
        destination.with_name(f"{destination.stem}_pixel_error.csv"),
        predictions.index,
        predictions.keypoint_names,
        errors,
        predictions.splits,
    )
    logger.info("wrote %s", destination)


def crops_for(
    detector_dir: Path, labels_csvs: list[Path], data_dir: Path, workflow: WorkflowSettings
) -> list[Path]:
    """Make a detector's predictions, boxes and crops of labels CSVs where they are missing or stale.

    Returns
    -------
    list of Path
        The labels in crop pixels, one CSV each.
    """
    settings = read_model_settings(detector_dir)
    predictor = functools.cache(lambda: Predictor(detector_dir))
    cropped = []
    for path in labels_csvs:
        labels = read_labels(path)
        same_keypoints(path, labels, settings)
        destination = predictions_csv(detector_dir, path)
        origin, stamp = _origin(detector_dir, labels, data_dir, settings), destination.with_suffix(".json")
        with alone(destination.parent):
            if destination.is_file() and read_json(stamp) == origin:
                predictions = read_predictions(destination)
            else:
                predictions = predictor().predict_images(labels.image_paths, data_dir)
                write_with_errors(predictions, labels, destination)
                write_json(origin, stamp)
            cropped.append(write_crops(predictions, path, data_dir, detector_dir, workflow, keeps_boxes=True))
    return cropped


def _images_dir(labels_csv: Path, data_dir: Path | None, settings: Settings) -> Path:
    return data_dir or crops_dir(labels_csv) or Path(settings.data.data_dir)


def predictions_csv(model_dir: Path, labels_csv: Path) -> Path:
    """Return where in a model's folder the predictions on a labels CSV go."""
    return model_dir / "image_preds" / labels_csv.name / "predictions.csv"


def _origin(model_dir: Path, labels: Labels, data_dir: Path, settings: Settings) -> dict[str, Any]:
    """Return checksums of what predictions are made from, kept beside them to tell when they are stale."""
    names = set(labels.image_paths)
    if takes_context(settings.model.model_type):
        found = [find_context(name, data_dir) or [] for name in labels.image_paths]
        names |= {source.path for sources in found for source in sources}
    images = {name: sha256(data_dir / name) for name in sorted(names)}
    return {"weights": sha256(weights_of(model_dir)), "images": images}


def write_crops(
    predictions: Predictions,
    labels_csv: Path,
    data_dir: Path,
    model_dir: Path,
    workflow: WorkflowSettings,
    keeps_boxes: bool = False,
) -> Path:
    """Write ``bbox.csv``, the crops and ``cropped_<csv>`` of a detector; return the latter's path.

    With `keeps_boxes`, boxes that were not placed here, but by `litpose create_bbox` or another tool, stay.
    """
    folder = model_dir / "image_preds" / labels_csv.name
    boxes_csv, stamp = folder / "bbox.csv", folder / "bbox.json"
    if keeps_boxes and boxes_csv.is_file() and read_json(stamp) != {"sha256": sha256(boxes_csv)}:
        logger.info("keeping the boxes of %s, which were placed by hand or another command", boxes_csv)
    else:
        write_bboxes(_place_boxes(predictions, data_dir, workflow), boxes_csv)
        write_json({"sha256": sha256(boxes_csv)}, stamp)
    cropped_csv = folder / f"cropped_{labels_csv.name}"
    crop_labeled_images(
        labels_csv,
        boxes_csv,
        data_dir,
        images_dir=model_dir / "cropped_images",
        output_csv=cropped_csv,
        crop_hw=(workflow.crop_size.height, workflow.crop_size.width),
    )
    return cropped_csv


def _place_boxes(predictions: Predictions, data_dir: Path, workflow: WorkflowSettings) -> Boxes:
    names, ratio = predictions.keypoint_names, workflow.crop_ratios[0]
    return boxes_from_keypoints(
        predictions.keypoints_px,
        predictions.confidence,
        list(predictions.index),
        lambda row: image_size(data_dir / str(predictions.index[row])),
        rule_of(workflow.boxes, names, workflow.anchor_keypoints, ratio),
    )


def is_crops_csv(labels_csv: Path) -> bool:
    """Say whether a labels CSV lists crops whose boxes are known."""
    return crops_dir(labels_csv) is not None and (labels_csv.parent / "bbox.csv").is_file()


def _remap_with_errors(predictions_csv: Path, cropped_csv: Path) -> None:
    """Write predictions and pixel errors in frame pixels beside those in crop pixels."""
    boxes_csv = cropped_csv.parent / "bbox.csv"
    output = predictions_csv.with_name(f"remapped_{predictions_csv.name}")
    remapped = remap_file(predictions_csv, boxes_csv, output)
    cropped = read_labels(cropped_csv)
    as_predictions = replace(remapped, index=cropped.image_paths, keypoints_px=cropped.keypoints_px)
    boxes = read_bboxes(boxes_csv)
    rows = match_rows(as_predictions, boxes, cropped_csv, boxes_csv)
    size = tuple((read_manifest(boxes_csv.parent / MANIFEST) or {})["crop_size"])
    labels_frame_px = remap(as_predictions, boxes, rows, size).keypoints_px
    errors = pixel_error(remapped.keypoints_px, labels_frame_px)
    target = output.with_name(f"{output.stem}_pixel_error.csv")
    write_pixel_errors(target, remapped.index, remapped.keypoint_names, errors, remapped.splits)


def resolve_input(path: Path, data_dir: Path) -> Path:
    """Return where a labels CSV is: at its path, or in the data folder."""
    for candidate in (path, data_dir / path):
        if candidate.is_file():
            if candidate.suffix != ".csv":
                raise UserError(
                    Problem(str(path), "a labels CSV", f"a {candidate.suffix or 'nameless'} file")
                )
            return candidate
    raise UserError(Problem(str(path), f"a labels CSV, here or in {data_dir}", "no such file"))


def _same_kind_of_images(path: Path, settings: Settings) -> None:
    """Refuse frames for a model of crops, and crops for one that is known to be of frames.

    A model's data folder may have images of the other kind under the very names.
    """
    own = Path(settings.data.csv_file).name
    if crops_dir(path) is None:
        if is_of_crops(settings):
            expected = f"crops, as {own} of the training, or --data_dir"
            raise UserError(Problem(str(path), expected, "a CSV of frames"))
        return
    crop_hw = tuple((read_manifest(path.parent / MANIFEST) or {})["crop_size"])
    if is_other_shape(frame_hw_trained_on(settings), crop_hw):
        expected = f"whole frames, as {own} of the training, or --data_dir"
        raise UserError(Problem(str(path), expected, "a CSV of crops"))


def read_labels_for(path: Path, settings: Settings) -> Labels:
    """Read a labels CSV; refuse one with an image twice, or of other keypoints than the model's."""
    labels = read_labels(path)
    refuse_repeated(labels, path)
    same_keypoints(path, labels, settings)
    return labels


def same_keypoints(path: Path, labels: Labels, settings: Settings) -> None:
    """Refuse labels of other keypoints than the model's."""
    if labels.keypoint_names != settings.data.keypoint_names:
        raise UserError(
            Problem(
                f"{path}, header",
                f"the model's keypoints {settings.data.keypoint_names}",
                f"{labels.keypoint_names}",
            )
        )
