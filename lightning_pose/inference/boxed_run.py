"""Predict with a pose model on labels CSVs of whole frames, whose boxes are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.data.crops import read_frame_boxes
from lightning_pose.data.frame_labels import frame_hw_trained_on, is_of_crops
from lightning_pose.inference.boxed import predict_in_given_boxes
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.run import (
    predictions_csv,
    read_labels_for,
    resolve_input,
    write_with_errors,
)
from lightning_pose.io.crop_manifest import crops_dir
from lightning_pose.io.destination import check_destinations, refuse_inputs
from lightning_pose.io.files import alone
from lightning_pose.io.images import image_size
from lightning_pose.io.model_dir import CONFIG_FILE, read_model_settings
from lightning_pose.io.predictions import write_predictions
from lightning_pose.settings import Settings
from lightning_pose.types import Boxes, Labels, Problem, UserError


def predict_on_frames(
    model_dir: Path,
    inputs: Sequence[Path],
    bbox_csvs: Sequence[Path],
    data_dir: Path | None = None,
    output: Path | None = None,
    overrides: Sequence[str] = (),
) -> None:
    """Predict on each labels CSV of frames, cut by their boxes, with the pose model of a folder.

    Crops have the size that the model's settings name (``workflow.crop_size``), as those in its training.

    Parameters
    ----------
    model_dir : the trained pose model's folder.
    inputs : labels CSVs, by path or by their name in the data folder.
    bbox_csvs : the boxes of each, rows matched by image path.
    data_dir : folder of the frames; None = that of the detector whose crops the model was trained on.
    output : where the predictions go, in frame pixels, and nothing else is written; None = they go to
        ``MODEL_DIR/image_preds/<csv>/predictions.csv`` and their pixel errors beside them.
    overrides : ``key=value`` over the settings of the training.

    Raises
    ------
    UserError
        Whatever is wrong with the model, labels, frames or boxes, before anything is predicted.
    """
    settings = read_model_settings(model_dir, overrides)
    frames = data_dir or _frames_dir(settings)
    resolved = [resolve_input(path, frames) for path in inputs]
    labels = [read_labels_for(path, settings) for path in resolved]
    boxes = [
        read_boxes_of_frames(csv, entry, path, frames, settings)
        for csv, entry, path in zip(bbox_csvs, labels, resolved, strict=True)
    ]
    refuse_inputs([output] if output else [], [*resolved, *bbox_csvs])
    check_destinations([output or predictions_csv(model_dir, path) for path in resolved])
    pose, size = Predictor(model_dir, overrides), settings.workflow.crop_size
    for path, entry, own in zip(resolved, labels, boxes, strict=True):
        predictions = predict_in_given_boxes(pose, entry.image_paths, frames, own, (size.height, size.width))
        if output is not None:
            write_predictions(predictions, output)
            continue
        destination = predictions_csv(model_dir, path)
        with alone(destination.parent):
            write_with_errors(predictions, entry, destination)


def read_boxes_of_frames(
    bbox_csv: Path, labels: Labels, labels_csv: Path, data_dir: Path, pose: Settings
) -> Boxes:
    """Read the boxes of labelled frames that a pose model shall look at, in the order of the labels.

    Raises
    ------
    UserError
        If the labels are of crops, or the model of whole frames; if the boxes are not those of the frames.
    """
    if crops_dir(labels_csv) is not None:
        expected = f"none for {labels_csv}, whose images are crops already"
        raise UserError(Problem("--bbox_dir", expected, "boxes"))
    if is_of_crops(pose) and Path(pose.data.data_dir).resolve() == data_dir.resolve():
        found = f"{data_dir}, that of the model's crops"
        raise UserError(Problem("--data_dir", "the folder of the frames", found))
    boxes = read_frame_boxes(bbox_csv, labels, labels_csv, data_dir)
    if frame_hw_trained_on(pose) == image_size(data_dir / labels.image_paths[0]):
        expected = "none, since the model was trained on whole frames"
        raise UserError(Problem("--bbox_dir", expected, "boxes"))
    return boxes


def _frames_dir(pose: Settings) -> Path:
    """Return the folder of the frames that a pose model's crops show, as the detector says that cut them.

    Raises
    ------
    UserError
        If nothing tells: crops may have the very names of the frames, and must not be taken for them.
    """
    if not is_of_crops(pose):
        expected = "a model of crops that `litpose crop` made (or --data_dir, the folder of the frames)"
        raise UserError(Problem("--bbox_dir", expected, f"one of images in {pose.data.data_dir}"))
    crops = Path(pose.data.data_dir)
    if not (crops.parent / CONFIG_FILE).is_file():
        expected = f"the folder of the frames, since the model was trained on the crops in {crops}"
        raise UserError(Problem("--data_dir", expected, "none"))
    return Path(read_model_settings(crops.parent).data.data_dir)
