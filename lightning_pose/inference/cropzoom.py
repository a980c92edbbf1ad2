"""Detector and pose model as one: each frame is decoded once, and its crop never lies on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_pose.geometry.boxes import BoxRule, boxes_from_keypoints, rule_of, warn_of_lost
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference.boxed import predict_boxed
from lightning_pose.inference.film_boxes import DetectedBoxes
from lightning_pose.inference.film_run import Film, predict_film, settle_runtimes
from lightning_pose.inference.model import Model, PoseModel
from lightning_pose.inference.pictures import (
    Found,
    Window,
    check_frame,
    predict_in_boxes,
    predict_whole,
    sees_context,
)
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.cropzoom_dir import CROPZOOM_FILE, CropZoom, is_cropzoom_dir, read_cropzoom
from lightning_pose.io.video import Video
from lightning_pose.io.video_facts import VideoFacts, probe_video
from lightning_pose.traces import LOOKS_FACT, note_fact
from lightning_pose.types import Boxes, Predictions, Problem, UserError


def open_model(folder: Path, overrides: Sequence[str] = ()) -> PoseModel:
    """Load the model of a folder, whether it is one network or a detector and a pose model."""
    kind = CropZoomModel if is_cropzoom_dir(folder) else Model
    return kind.from_dir(folder, overrides)


class CropZoomModel:
    """A detector that finds the animal and a pose model that looks at it closely.

    Parameters
    ----------
    detector, pose : the networks.
    cropzoom : how they are joined.
    """

    def __init__(self, detector: Predictor, pose: Predictor, cropzoom: CropZoom) -> None:
        self.detector, self.pose, self.cropzoom = detector, pose, cropzoom
        names = list(detector.settings.data.keypoint_names or [])
        self.rule: BoxRule = rule_of(cropzoom.boxes, names, cropzoom.anchor_keypoints, cropzoom.crop_ratio)

    @classmethod
    def from_dir(
        cls, folder: Path, overrides: Sequence[str] = (), detect_every: int | None = None
    ) -> CropZoomModel:
        """Load the model of a folder; `overrides` go over the settings of both trainings.

        Parameters
        ----------
        folder : with ``cropzoom.json``.
        overrides : ``key=value``; none of ``workflow``, in whose place stands ``cropzoom.json``.
        detect_every : frames of a video from one look of the detector to the next, 0 = as the animal's speed
            allows; None = as the folder says.

        Raises
        ------
        UserError
            If ``cropzoom.json``, or a file of a model it names, is missing or damaged, or an override would
            have no effect.
        """
        _refuse_box_overrides(overrides, folder)
        cropzoom = read_cropzoom(folder)
        if detect_every is not None:
            cropzoom = replace(cropzoom, boxes=replace(cropzoom.boxes, detect_every=detect_every))
        detector, pose = (Predictor(path, overrides) for path in (cropzoom.detector_dir, cropzoom.pose_dir))
        return cls(detector, pose, cropzoom)

    @classmethod
    def train(cls, config: Path, folder: Path, overrides: Sequence[str] = ()) -> CropZoomModel:
        """Train detector and pose model of a config file, join them, and load the model.

        See `lightning_pose.training.cropzoom.train_cropzoom`: what is there and up to date stays.
        """
        from lightning_pose.training.cropzoom import train_cropzoom

        train_cropzoom(config, Path(folder), overrides)
        return cls.from_dir(folder)

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the keypoints, in order."""
        return list(self.pose.settings.data.keypoint_names or [])

    def predict_frames(self, image_paths: list[str], data_dir: Path) -> Predictions:
        """Predict on image files, paths relative to `data_dir`; keypoints in frame pixels."""
        return self.predict_frames_and_boxes(image_paths, data_dir)[0]

    def predict_frames_and_boxes(self, image_paths: list[str], data_dir: Path) -> tuple[Predictions, Boxes]:
        """Predict on image files, and return the boxes too.

        The same as `litpose create_bbox`, `crop`, `predict` and `remap` one after the other.
        """
        placed: list[Boxes] = []

        def place(windows: Sequence[Window], _: slice) -> np.ndarray:
            placed.append(self._place(windows))
            return placed[-1].xywh_px

        context = sees_context(self.detector) or sees_context(self.pose)
        predictions = predict_boxed(
            self.pose, image_paths, Path(data_dir), place, self.cropzoom.crop_hw, context
        )
        xywh_px = np.concatenate([np.empty((0, 4)), *(own.xywh_px for own in placed)])
        status = [text for own in placed for text in own.status or []]
        warn_of_lost(image_paths, status)
        return predictions, Boxes(list(image_paths), xywh_px, status)

    def predict_video(self, path: Path) -> Predictions:
        """Predict on all frames of a video; row i is frame i, in frame pixels."""
        film = self.film(probe_video(path))
        settle_runtimes(film)
        return predict_film(film)[0]

    def film(self, facts: VideoFacts, frames: range | None = None) -> Film:
        """Return how a video, or a stretch of it, is predicted on: with boxes steady from frame to frame."""
        note_fact(LOOKS_FACT, self.cropzoom.boxes.detect_every)
        own = self.for_video(is_shared=frames is not None)
        networks = {"the detector": own.detector, "the pose model": own.pose}
        return Film(facts, networks, own._boxes_of, lambda: repr((self.rule, self.cropzoom.boxes)), frames)

    def for_video(self, is_shared: bool = False) -> CropZoomModel:
        """Return the same model, computed as videos are (`Predictor.for_video`)."""
        detector, pose = (own.for_video(is_shared) for own in (self.detector, self.pose))
        return CropZoomModel(detector, pose, self.cropzoom)

    def _boxes_of(self, video: Video, parts: FilmParts, chosen: range, size: int) -> DetectedBoxes:
        settings = self.cropzoom.boxes
        return DetectedBoxes(self.detector, self.rule, settings, video.frame_hw, parts, chosen, size)

    def predict_frame(self, frame: np.ndarray) -> Found:
        """Predict on one frame by itself, as for an experiment that answers to what the animal does.

        Parameters
        ----------
        frame : array, (H, W, 3), uint8
            RGB. Models of context see it five times.

        Returns
        -------
        keypoints_frame_px : array, (K, 2)
        confidence : array, (K,)
        """
        windows, own = [[check_frame(frame)]], self.for_video()
        keypoints_px, confidence = predict_in_boxes(own.pose, windows, own._place(windows).xywh_px)
        return keypoints_px[0], confidence[0]

    def _place(self, windows: Sequence[Window]) -> Boxes:
        """Place a box in each frame by itself."""
        keypoints_px, confidence = predict_whole(self.detector, windows)
        index = list(range(len(windows)))
        return boxes_from_keypoints(
            keypoints_px, confidence, index, lambda row: windows[row][0].shape[:2], self.rule, warns=False
        )


def _refuse_box_overrides(overrides: Sequence[str], folder: Path) -> None:
    """Refuse overrides of what ``cropzoom.json`` says, which would have no effect."""
    without_effect = [text for text in overrides if text.lstrip("+~").startswith("workflow")]
    if without_effect:
        expected = (
            f"settings of the networks: how boxes are placed stands in {Path(folder) / CROPZOOM_FILE} "
            "(litpose create_cropzoom makes a folder with others, by its options)"
        )
        raise UserError(Problem("--overrides", expected, ", ".join(without_effect)))
