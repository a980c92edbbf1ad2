"""Predict with a cropzoom model and write everything that belongs into its folder, in frame pixels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightning_pose.data.frame_labels import is_of_crops, labels_path
from lightning_pose.geometry.boxes import rule_of
from lightning_pose.inference.boxed import predict_in_given_boxes
from lightning_pose.inference.boxed_run import read_boxes_of_frames
from lightning_pose.inference.cropzoom import CropZoomModel
from lightning_pose.inference.run import read_labels_for, resolve_input, write_with_errors
from lightning_pose.inference.video import (
    Stretch,
    film_of,
    find_stretches,
    predicted,
    read_given_boxes,
    size_of_output,
)
from lightning_pose.inference.video_output import KEYPOINTS_ONLY, VideoOutput, write_video_predictions
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.crop_manifest import crops_dir, manifest_of_video
from lightning_pose.io.cropzoom_dir import CropZoom, read_cropzoom, write_cropzoom
from lightning_pose.io.destination import check_destinations, refuse_inputs
from lightning_pose.io.files import alone
from lightning_pose.io.model_dir import WEIGHTS_FILE, read_model_settings, weights_of
from lightning_pose.io.predictions import write_predictions
from lightning_pose.settings import BoxSettings, Settings
from lightning_pose.types import Boxes, Labels, Problem, UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Destination:
    """Where the predictions and boxes of one input go; None = not written."""

    predictions: Path
    bbox: Path | None


def create_cropzoom(
    detector_dir: Path,
    pose_dir: Path,
    folder: Path,
    crop_ratio: float | None = None,
    crop_hw: tuple[int, int] | None = None,
    anchor_keypoints: Sequence[str] | None = None,
    boxes: BoxSettings | None = None,
) -> CropZoom:
    """Join a detector and a pose model; what is None is as the pose model's settings say.

    Returns
    -------
    CropZoom
        What was written into `folder`.

    Raises
    ------
    UserError
        If one is no trained model, they are the wrong way round or of one kind, boxes cannot be placed so, or
        `folder` has a model.
    """
    detector, pose = read_model_settings(detector_dir), read_model_settings(pose_dir)
    for path in (detector_dir, pose_dir):
        weights_of(path)
    if is_of_crops(detector):
        raise UserError(Problem(str(detector_dir), "a detector, trained on whole frames", "a model of crops"))
    if pose_dir.resolve() == detector_dir.resolve() or _are_of_the_same_labels(detector, pose):
        found = "a model of whole frames, as the detector is"
        raise UserError(Problem(str(pose_dir), "a pose model, trained on crops", found))
    _refuse_models_folder(folder)
    workflow = pose.workflow
    cropzoom = CropZoom(
        detector_dir,
        pose_dir,
        workflow.crop_ratios[0] if crop_ratio is None else crop_ratio,
        crop_hw or (workflow.crop_size.height, workflow.crop_size.width),
        list(workflow.anchor_keypoints if anchor_keypoints is None else anchor_keypoints),
        boxes or workflow.boxes,
    )
    names = list(detector.data.keypoint_names or [])
    rule_of(cropzoom.boxes, names, cropzoom.anchor_keypoints, cropzoom.crop_ratio)  # refuses what cannot be
    write_cropzoom(cropzoom, folder)
    logger.info("%s joins %s and %s", folder, detector_dir, pose_dir)
    return cropzoom


def _are_of_the_same_labels(detector: Settings, pose: Settings) -> bool:
    csv = labels_path(detector)
    return csv.is_file() and csv.resolve() == labels_path(pose).resolve()


def _refuse_models_folder(folder: Path) -> None:
    """Refuse to make a folder that holds one network that of two, which would hide the one."""
    if (folder / WEIGHTS_FILE).exists():
        raise UserError(
            Problem(
                str(folder), "a folder of its own for the cropzoom model", f"{WEIGHTS_FILE} of another model"
            )
        )


def predict_cropzoom(
    folder: Path,
    labels_csvs: Sequence[Path] = (),
    videos: Sequence[Path] = (),
    data_dir: Path | None = None,
    output: Destination | None = None,
    overrides: Sequence[str] = (),
    allow_truncated: bool = False,
    frames: str | None = None,
    detect_every: int | None = None,
    bbox_csvs: Sequence[Path] = (),
    writes: VideoOutput = KEYPOINTS_ONLY,
    frame_bbox_csvs: Sequence[Path] = (),
) -> None:
    """Predict on labels CSVs of frames and on videos.

    Metrics lie beside the predictions on whole videos, unless `output` says where these go.

    Parameters
    ----------
    folder : of the cropzoom model.
    labels_csvs : by path or by their name in the data folder; their predictions go to
        ``FOLDER/image_preds/<csv>/``, with pixel errors and boxes beside them.
    videos : the files; their predictions and boxes go to ``FOLDER/video_preds/<video file name>/``.
    data_dir : folder that image paths are relative to; None = that of the detector's training.
    output : where the predictions on the one input go, instead.
    overrides : ``key=value`` over the settings of both trainings.
    allow_truncated : predict what is there of damaged videos, and say how much beside the predictions.
    frames : ``start:stop`` of each video; None = all.
    detect_every : frames of a video from one look of the detector to the next; None = as the folder says.
    bbox_csvs : the boxes of each video's frames, instead of the detector's; none = the detector places them.
    writes : what is written of videos besides keypoints and confidence.
    frame_bbox_csvs : the boxes of each labels CSV's frames, as `bbox_csvs` of videos.

    Raises
    ------
    UserError
        Whatever is wrong with a model or an input, before anything is predicted.
    """
    cropzoom = read_cropzoom(folder)
    images = data_dir or Path(read_model_settings(cropzoom.detector_dir).data.data_dir)
    labels = [_read(path, images, cropzoom) for path in labels_csvs]
    stretches = find_stretches(videos, allow_truncated, frames)
    _refuse_crops(stretches)
    boxes = read_given_boxes(stretches, bbox_csvs)
    pose = read_model_settings(cropzoom.pose_dir)
    frame_boxes: list[Boxes | None] = [
        read_boxes_of_frames(own, entry, csv, images, pose)
        for own, (csv, entry) in zip(frame_bbox_csvs, labels, strict=bool(frame_bbox_csvs))
    ] or [None] * len(labels)
    targets = [output] if output else [_labels_destination(folder, csv) for csv, _ in labels]
    targets += [] if output else [_video_destination(folder, stretch) for stretch in stretches]
    files = [path for own in targets for path in (own.predictions, own.bbox) if path is not None]
    refuse_inputs(files, [*(csv for csv, _ in labels), *(frame_bbox_csvs if output else ())])
    check_destinations(files, sum(size_of_output(own, cropzoom.pose_dir) for own in stretches))
    model = CropZoomModel.from_dir(folder, overrides, detect_every)
    for (path, own), given in zip(labels, frame_boxes, strict=True):
        _predict_labels(model, path, own, images, folder, output, given)
    for stretch, xywh_px in zip(stretches, boxes, strict=True):
        _predict_video(model, stretch, xywh_px, folder, output, writes)


def _read(path: Path, data_dir: Path, cropzoom: CropZoom) -> tuple[Path, Labels]:
    """Return where a labels CSV is, and what it holds."""
    csv = resolve_input(path, data_dir)
    if crops_dir(csv) is not None:
        raise UserError(Problem(str(csv), "a CSV of frames, which the model crops itself", "one of crops"))
    return csv, read_labels_for(csv, read_model_settings(cropzoom.pose_dir))


def _refuse_crops(stretches: Sequence[Stretch]) -> None:
    problems = [
        Problem(str(own.facts.path), "a video of frames, which the model crops itself", "one of crops")
        for own in stretches
        if manifest_of_video(own.facts.path) is not None
    ]
    if problems:
        raise UserError(problems)


def _labels_destination(folder: Path, csv: Path) -> Destination:
    place = folder / "image_preds" / csv.name
    return Destination(place / "predictions.csv", place / "bbox.csv")


def _video_destination(folder: Path, stretch: Stretch) -> Destination:
    place = folder / "video_preds" / stretch.facts.path.name
    return Destination(place / stretch.name("predictions"), place / stretch.name("bbox"))


def _predict_labels(
    model: CropZoomModel,
    csv: Path,
    labels: Labels,
    data_dir: Path,
    folder: Path,
    output: Destination | None,
    boxes: Boxes | None,
) -> None:
    if boxes is None:
        predictions, boxes = model.predict_frames_and_boxes(labels.image_paths, data_dir)
    else:
        crop_hw = model.cropzoom.crop_hw
        predictions = predict_in_given_boxes(model.pose, labels.image_paths, data_dir, boxes, crop_hw)
    if output is not None:
        if output.bbox is not None:
            write_bboxes(boxes, output.bbox)
        write_predictions(predictions, output.predictions)
        logger.info("wrote %s", output.predictions)
        return
    own = _labels_destination(folder, csv)
    with alone(own.predictions.parent):
        if own.bbox is not None:
            write_bboxes(boxes, own.bbox)
        write_with_errors(predictions, labels, own.predictions)


def _predict_video(
    model: CropZoomModel,
    stretch: Stretch,
    xywh_px: np.ndarray | None,
    folder: Path,
    output: Destination | None,
    writes: VideoOutput,
) -> None:
    target = output or _video_destination(folder, stretch)
    if xywh_px is None:
        film = model.film(stretch.facts, stretch.frames)
    else:
        film = film_of(model.pose, stretch.facts, xywh_px, stretch.frames)
    with predicted(film, stretch, target.predictions) as (predictions, boxes):
        if target.bbox is not None:
            write_bboxes(boxes, target.bbox)
        measured = output is None and stretch.frames is None
        write_video_predictions(predictions, boxes, target.predictions, writes, folder if measured else None)
