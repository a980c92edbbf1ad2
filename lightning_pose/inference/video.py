"""Predict on videos, frame by frame as they are read: the memory needed does not depend on their length."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lightning_pose.data.clips import read_video_boxes
from lightning_pose.data.context import OFFSETS
from lightning_pose.data.cut import Box, crop_image
from lightning_pose.geometry.box_track import track_boxes
from lightning_pose.geometry.boxes import rule_of
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.crop_manifest import crops_dir
from lightning_pose.io.model_dir import read_model_settings
from lightning_pose.io.predictions import write_predictions
from lightning_pose.io.video import Video, VideoFacts, open_video, probe_video, uneven_frames
from lightning_pose.io.video_damage import WholePart, find_whole_part, write_whole_part
from lightning_pose.settings import WorkflowSettings, takes_context
from lightning_pose.types import Boxes, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

Batch = tuple[np.ndarray, np.ndarray]


def predict_videos(
    model_dir: Path,
    videos: Sequence[Path],
    output: Path | None = None,
    bbox_csv: Path | None = None,
    detector_mode: bool = False,
    overrides: Sequence[str] = (),
    allow_truncated: bool = False,
) -> None:
    """Predict on each video with the model of a folder; row i is frame i, in frame pixels.

    Parameters
    ----------
    model_dir : the trained model's folder.
    videos : the files.
    output : where the predictions go; None = ``MODEL_DIR/video_preds/<video file name>/predictions.csv``.
    bbox_csv : for a pose model, the box of each frame; None = the model looks at whole frames.
    detector_mode : write boxes too, to ``bbox.csv`` beside the predictions.
    overrides : ``key=value`` over the settings of the training.
    allow_truncated : predict what is there of damaged videos, and say how much beside the predictions.

    Raises
    ------
    UserError
        If a video is missing or damaged, or the boxes are not those of the video, before anything is written.
    """
    parts = find_parts(videos, allow_truncated)
    found = [facts for facts, _ in parts]
    boxes = [None if bbox_csv is None else read_video_boxes(bbox_csv, facts) for facts in found]
    if (
        bbox_csv is None
        and crops_dir(Path(read_model_settings(model_dir, overrides).data.csv_file)) is not None
    ):
        raise UserError(
            Problem("--bbox", "the box of each frame, since the model was trained on crops", "none")
        )
    predictor = Predictor(model_dir, overrides)
    for (facts, part), xywh_px in zip(parts, boxes, strict=True):
        uneven = uneven_frames(facts)
        if uneven is not None:
            logger.warning("%s: row i of the predictions is frame i all the same", uneven)
        predictions, frame_hw = predict_video(predictor, facts, xywh_px)
        destination = output or model_dir / "video_preds" / facts.path.name / "predictions.csv"
        if part is not None:
            write_whole_part(part, destination)
        write_predictions(predictions, destination)
        logger.info("wrote %s", destination)
        if detector_mode:
            placed = place_video_boxes(predictions, frame_hw, predictor.settings.workflow)
            write_bboxes(placed, destination.with_name("bbox.csv"))


def find_parts(videos: Sequence[Path], allow_truncated: bool) -> list[tuple[VideoFacts, WholePart | None]]:
    """Look at all videos, so that a damaged one is refused before anything is predicted.

    With `allow_truncated`, the facts are those of the frames that are there; how many there should be is told
    too.
    """
    if not allow_truncated:
        return [(probe_video(path), None) for path in videos]
    parts = [find_whole_part(path) for path in videos]
    return [(part.facts, part) for part in parts]


def predict_video(
    predictor: Predictor, facts: VideoFacts, xywh_px: np.ndarray | None = None
) -> tuple[Predictions, tuple[int, int]]:
    """Predict on all frames of a video.

    Parameters
    ----------
    predictor : the network.
    facts : of the video.
    xywh_px : array, (N, 4)
        The box of each frame, for a model of crops; None = whole frames.

    Returns
    -------
    predictions : Predictions
        In frame pixels; the index counts frames.
    frame_hw : height and width of the frames.
    """
    settings, names = predictor.settings, list(predictor.settings.data.keypoint_names or [])
    video = open_video(facts, settings.dali.library, predictor.device.type == "cuda")
    frame_hw = video.frame_hw()
    if xywh_px is None:
        xywh_px = np.tile([0.0, 0.0, frame_hw[1], frame_hw[0]], (facts.frame_count, 1))
    dims, size = settings.data.image_resize_dims, settings.training.test_batch_size
    keypoints_px = np.empty((facts.frame_count, len(names), 2))
    confidence = np.empty((facts.frame_count, len(names)))
    start = 0
    context = takes_context(settings.model.model_type)
    for images, boxes in _batches(video, xywh_px, (dims.height, dims.width), size, context):
        rows = slice(start, start + len(images))
        within_box_px, confidence[rows] = predictor.predict_batch(images, boxes[:, :1:-1])
        keypoints_px[rows] = within_box_px + boxes[:, None, :2]
        start += len(images)
    video.close()
    return Predictions(list(range(facts.frame_count)), names, keypoints_px, confidence), frame_hw


def _batches(
    video: Video, xywh_px: np.ndarray, model_hw: tuple[int, int], size: int, context: bool
) -> Iterator[Batch]:
    """Yield (images (B, 3, H, W) uint8, their boxes (B, 4)), reading ahead by one batch.

    With `context`, images are (B, 5, 3, H, W): each frame with the two before and after, all within the
    frame's own box, as such models are trained; the video's ends are repeated.
    """
    margin = max(OFFSETS) if context else 0
    window = np.array([*OFFSETS[: len(OFFSETS) // 2], 0, *OFFSETS[len(OFFSETS) // 2 :]] if context else [0])

    held = video.read(0, 0)  # the last frames read, so that none is decoded twice
    end = 0

    def load(start: int) -> Batch:
        nonlocal held, end
        boxes = xywh_px[start : start + size]
        first, last = max(start - margin, 0), min(start + len(boxes) + margin, len(xywh_px))
        frames = np.concatenate([held[len(held) - (end - first) :], video.read(end, last - end)])
        held, end = frames[-2 * margin :] if margin else frames[:0], last
        numbers = np.clip(np.arange(start, start + len(boxes))[:, None] + window, first, last - 1) - first
        images = np.stack(
            [
                [crop_image(frames[number], _box(box), model_hw) for number in own]
                for own, box in zip(numbers, boxes, strict=True)
            ]
        ).transpose(0, 1, 4, 2, 3)
        return (images if context else images[:, 0]), boxes

    with ThreadPoolExecutor(1) as reader:  # one, since frames come in order
        ahead = reader.submit(load, 0)
        for start in range(size, len(xywh_px), size):
            current, ahead = ahead, reader.submit(load, start)
            yield current.result()
        yield ahead.result()


def _box(xywh_px: np.ndarray) -> Box:
    x, y, w, h = (float(value) for value in xywh_px)
    return x, y, w, h


def place_video_boxes(
    predictions: Predictions, frame_hw: tuple[int, int], workflow: WorkflowSettings
) -> Boxes:
    """Place a box around the animal in each frame of a video, from a detector's predictions."""
    names, ratio = predictions.keypoint_names, workflow.crop_ratios[0]
    rule = rule_of(workflow.boxes, names, workflow.anchor_keypoints, ratio)
    return track_boxes(
        predictions.keypoints_px, predictions.confidence, lambda: frame_hw, rule, workflow.boxes
    )


def boxes_for_videos(detector_dir: Path, videos: Sequence[Path]) -> Path:
    """Place boxes in unlabelled videos with a detector.

    Returns
    -------
    Path
        The folder for ``data.bbox_dir``.
    """
    predict_videos(detector_dir, videos, detector_mode=True)
    return detector_dir / "video_preds"
