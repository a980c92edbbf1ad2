"""Predict on videos with one network, frame by frame as they are read: no video is ever held in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightning_pose.data.clips import read_video_boxes
from lightning_pose.data.frame_labels import frame_hw_trained_on, is_of_crops, is_other_shape
from lightning_pose.geometry.boxes import rule_of
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.geometry.film_track import track_boxes
from lightning_pose.inference.film_boxes import GivenBoxes
from lightning_pose.inference.film_run import (
    Film,
    predict_film,
    settle_runtimes,
    store_beside,
)
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.remap import VideoCrops, read_video_crops
from lightning_pose.inference.video_output import KEYPOINTS_ONLY, VideoOutput, write_video_predictions
from lightning_pose.io.bboxes import boxes_digest, write_bboxes
from lightning_pose.io.destination import check_destinations
from lightning_pose.io.files import alone
from lightning_pose.io.model_dir import read_model_settings
from lightning_pose.io.video import Video
from lightning_pose.io.video_damage import (
    WholePart,
    check_videos,
    remove_whole_part,
    write_whole_part,
)
from lightning_pose.io.video_facts import VideoFacts, uneven_frames
from lightning_pose.io.video_stretch import parse_frames
from lightning_pose.settings import Settings, WorkflowSettings
from lightning_pose.traces import BOXES_FACT, note_fact
from lightning_pose.types import Boxes, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

BYTES_OF_KEYPOINT = 80  # three numbers as text, and in the parts


@dataclass(frozen=True)
class Stretch:
    """What of a video is predicted on.

    Parameters
    ----------
    facts : of the video.
    whole : what is there of it, where that was looked at.
    frames : the frames asked for; None = all.
    """

    facts: VideoFacts
    whole: WholePart | None = None
    frames: range | None = None

    def name(self, stem: str) -> str:
        """Return the name of a CSV of it."""
        return f"{stem}.csv" if self.frames is None else f"{stem}_{self.frames.start}-{self.frames.stop}.csv"


def predict_videos(
    model_dir: Path,
    videos: Sequence[Path],
    output: Path | None = None,
    bbox_csvs: Sequence[Path] = (),
    detector_mode: bool = False,
    overrides: Sequence[str] = (),
    allow_truncated: bool = False,
    frames: str | None = None,
    writes: VideoOutput = KEYPOINTS_ONLY,
    workflow: WorkflowSettings | None = None,
) -> None:
    """Predict on each video with the model of a folder; row i is frame i, in pixels of the video.

    For a video of crops, ``remapped_predictions.csv`` holds the same in pixels of the frames cropped.

    Metrics lie beside the predictions on whole videos, unless `output` says where these go.

    Parameters
    ----------
    model_dir : the trained model's folder.
    videos : the files.
    output : where the predictions go; None = ``MODEL_DIR/video_preds/<video file name>/predictions.csv``.
    bbox_csvs : for a pose model, the boxes of each video's frames; none = the model looks at whole frames.
    detector_mode : write boxes too, to ``bbox.csv`` beside the predictions.
    overrides : ``key=value`` over the settings of the training.
    allow_truncated : predict what is there of damaged videos, and say how much beside the predictions.
    frames : ``start:stop`` of each video; None = all.
    writes : what is written besides keypoints and confidence.
    workflow : with `detector_mode`, how boxes are placed; None = as the model's settings say.

    Raises
    ------
    UserError
        If a video is missing or damaged, or the boxes are not those of the video, before anything is written.
    """
    for name, given in (("--bbox", bbox_csvs), ("--frames", frames)):
        if detector_mode and given:
            expected = "none with --detector_mode, whose boxes are of whole videos"
            raise UserError(Problem(name, expected, "one"))
    stretches = find_stretches(videos, allow_truncated, frames)
    boxes = read_given_boxes(stretches, bbox_csvs)
    settings = read_model_settings(model_dir, overrides)
    crops = [read_video_crops(own.facts.path) for own in stretches]
    _check_kind(stretches, crops, settings, bool(bbox_csvs))
    destinations = [output or predictions_csv(model_dir, own) for own in stretches]
    check_destinations(destinations, sum(size_of_output(own, model_dir) for own in stretches))
    predictor = Predictor(model_dir, overrides)
    for stretch, destination, xywh_px, shown in zip(stretches, destinations, boxes, crops, strict=True):
        film = film_of(predictor, stretch.facts, xywh_px, stretch.frames)
        with predicted(film, stretch, destination) as (predictions, looked_at):
            measured = model_dir if output is None and stretch.frames is None else None
            write_video_predictions(predictions, looked_at, destination, writes, None if shown else measured)
            if shown is not None and output is None:
                remapped = destination.with_name(f"remapped_{destination.name}")
                in_frame = shown.remap(predictions)
                write_video_predictions(in_frame, shown.boxes_of(predictions), remapped, writes, measured)
            if detector_mode:
                width, height = (int(side) for side in looked_at.xywh_px[0, 2:])
                how = workflow or predictor.settings.workflow
                write_bboxes(
                    place_video_boxes(predictions, (height, width), how), destination.with_name("bbox.csv")
                )


def predictions_csv(model_dir: Path, stretch: Stretch) -> Path:
    """Return where in a model's folder the predictions of a video go."""
    return model_dir / "video_preds" / stretch.facts.path.name / stretch.name("predictions")


def size_of_output(stretch: Stretch, model_dir: Path) -> int:
    """Return about how many bytes the predictions of a video take, with the parts that are kept meanwhile."""
    frames = stretch.facts.frame_count if stretch.frames is None else len(stretch.frames)
    return frames * BYTES_OF_KEYPOINT * len(read_model_settings(model_dir).data.keypoint_names or [])


def _check_kind(
    stretches: Sequence[Stretch], crops: Sequence[VideoCrops | None], settings: Settings, has_boxes: bool
) -> None:
    """Refuse boxes and videos of crops, or of frames, that are not for a model of its kind."""
    needs_size = has_boxes or any(own is not None for own in crops)
    trained_hw = frame_hw_trained_on(settings) if needs_size else None
    needs_boxes = is_of_crops(settings) and not has_boxes
    for facts, shown in zip((own.facts for own in stretches), crops, strict=True):
        if shown is not None and has_boxes:
            raise UserError(
                Problem("--bbox", f"none for {facts.path}, whose frames are crops already", "boxes")
            )
        if shown is not None and is_other_shape(trained_hw, shown.crop_hw):
            expected = "a video of whole frames, which the model was trained on"
            raise UserError(Problem(str(facts.path), expected, "one of crops"))
        if has_boxes and trained_hw is not None and sorted(trained_hw) == sorted((facts.height, facts.width)):
            raise UserError(Problem("--bbox", "none, since the model was trained on whole frames", "boxes"))
        if shown is None and needs_boxes:
            trained = "since the model was trained on crops"
            expected = f"the box of each frame, {trained} (or --bbox_dir, or a video of `litpose crop`)"
            raise UserError(Problem("--bbox", expected, "none"))


def find_stretches(videos: Sequence[Path], allow_truncated: bool, frames: str | None = None) -> list[Stretch]:
    """Look at all videos, so that a damaged one is refused before anything is predicted.

    With `allow_truncated`, the facts are those of the frames that are there; how many there should be is told
    too.
    """
    return [
        Stretch(
            whole.facts,
            whole if allow_truncated else None,
            None if frames is None else parse_frames(frames, whole.facts),
        )
        for whole in check_videos(videos, allow_truncated)
    ]


def read_given_boxes(stretches: Sequence[Stretch], bbox_csvs: Sequence[Path]) -> list[np.ndarray | None]:
    """Return the boxes of each video's frames, (N, 4), None where none are given.

    Raises
    ------
    UserError
        The first problem of every file.
    """
    note_fact(BOXES_FACT, [str(csv) for csv in bbox_csvs])
    if not bbox_csvs:
        return [None] * len(stretches)
    boxes: list[np.ndarray | None] = []
    problems = []
    for csv, stretch in zip(bbox_csvs, stretches, strict=True):
        try:
            boxes.append(read_video_boxes(csv, stretch.facts))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return boxes


@contextmanager
def predicted(film: Film, stretch: Stretch, predictions_csv: Path) -> Iterator[tuple[Predictions, Boxes]]:
    """Yield what is predicted of a video; once it is written, the parts kept meanwhile are removed."""
    uneven = uneven_frames(stretch.facts)
    if uneven is not None:
        logger.warning("%s: row i of the predictions is frame i all the same", uneven)
    settle_runtimes(film)
    with alone(predictions_csv):  # parts of two commands would end in one file
        store = store_beside(film, predictions_csv)
        found = predict_film(film, store)
        if stretch.whole is not None:
            write_whole_part(stretch.whole, predictions_csv, stretch.frames)
        yield found
        if stretch.whole is None:
            remove_whole_part(predictions_csv)
        store.remove()


def film_of(
    predictor: Predictor, facts: VideoFacts, xywh_px: np.ndarray | None = None, frames: range | None = None
) -> Film:
    """Return how a video is predicted on with one network.

    Parameters
    ----------
    predictor : the network.
    facts : of the video.
    xywh_px : array, (N, 4)
        The box of each frame in frame pixels, for a model of crops; None = whole frames.
    frames : a stretch of the video; None = all of it.
    """

    def boxes_of(video: Video, parts: FilmParts, chosen: range, size: int) -> GivenBoxes:
        height, width = video.frame_hw()
        whole = np.array([[0.0, 0.0, width, height]])
        return GivenBoxes(whole if xywh_px is None else xywh_px, parts, chosen)

    def boxes_origin() -> str:
        return boxes_digest(np.empty((0, 4)) if xywh_px is None else xywh_px)

    networks = {"the model": predictor.for_video(is_shared=frames is not None)}
    return Film(facts, networks, boxes_of, boxes_origin, frames)


def place_video_boxes(
    predictions: Predictions, frame_hw: tuple[int, int], workflow: WorkflowSettings
) -> Boxes:
    """Place a box around the animal in each frame of a video, from a detector's predictions."""
    names, ratio = predictions.keypoint_names, workflow.crop_ratios[0]
    rule = rule_of(workflow.boxes, names, workflow.anchor_keypoints, ratio)
    return track_boxes(
        predictions.keypoints_px, predictions.confidence, lambda: frame_hw, rule, workflow.boxes
    )
