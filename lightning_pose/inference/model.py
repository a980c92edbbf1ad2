"""Trained models as a user meets them: frames or a video in, keypoints in frame pixels out.

`Model` is one network that looks at whole frames; `lightning_pose.inference.cropzoom` joins two.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from lightning_pose.config import load_config
from lightning_pose.data.frame_labels import is_of_crops
from lightning_pose.inference.film_run import predict_film, settle_runtimes
from lightning_pose.inference.pictures import Found, check_frame, predict_whole
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.video import film_of
from lightning_pose.io.crop_manifest import manifest_of_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.types import Predictions

logger = logging.getLogger(__name__)


class PoseModel(Protocol):
    """What every model can do. Keypoints are in pixels of the frames, whatever the networks see."""

    @classmethod
    def from_dir(cls, folder: Path, overrides: Sequence[str] = ()) -> PoseModel:
        """Load the model of a folder; `overrides` go over the settings of its trainings."""

    @classmethod
    def train(cls, config: Path, folder: Path, overrides: Sequence[str] = ()) -> PoseModel:
        """Train the model of a config file into a folder, and load it."""

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the keypoints, in order."""

    def predict_frames(self, image_paths: list[str], data_dir: Path) -> Predictions:
        """Predict on image files, paths relative to `data_dir`."""

    def predict_video(self, path: Path) -> Predictions:
        """Predict on all frames of a video; row i is frame i."""

    def predict_frame(self, frame: np.ndarray) -> Found:
        """Predict on one frame, RGB, (H, W, 3) uint8: keypoints (K, 2) and confidence (K,)."""


class Model:
    """One network that looks at whole frames.

    Parameters
    ----------
    predictor : the network.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    @classmethod
    def from_dir(cls, folder: Path, overrides: Sequence[str] = ()) -> Model:
        """Load the model of a folder; `overrides` go over the settings of its training."""
        return cls(Predictor(Path(folder), overrides))

    @classmethod
    def train(cls, config: Path, folder: Path, overrides: Sequence[str] = ()) -> Model:
        """Train on the whole frames of a config file, predict on its labels CSVs, and load the model.

        Parameters
        ----------
        config : the config file; ``workflow.detector`` goes over its other settings.
        folder : the model's.
        overrides : ``key=value`` over the settings.

        Raises
        ------
        UserError
            Everything wrong with settings and data, before anything is trained.
        """
        from lightning_pose.training.run import train

        train(load_config(config, overrides, "detector"), str(config), Path(folder))
        return cls.from_dir(folder)

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the keypoints, in order."""
        return list(self.predictor.settings.data.keypoint_names or [])

    def predict_frames(self, image_paths: list[str], data_dir: Path) -> Predictions:
        """Predict on image files, paths relative to `data_dir`."""
        return self.predictor.predict_images(image_paths, data_dir)

    def predict_video(self, path: Path) -> Predictions:
        """Predict on all frames of a video; row i is frame i. A model of crops wants a video of crops."""
        if is_of_crops(self.predictor.settings) and manifest_of_video(path) is None:
            logger.warning(
                "%s: the model was trained on crops and looks at whole frames here; where these are no crops "
                "of another tool, take a CropZoomModel, or `litpose predict` with --bbox", path
            )  # fmt: skip
        film = film_of(self.predictor, probe_video(path))
        settle_runtimes(film)
        return predict_film(film)[0]

    def predict_frame(self, frame: np.ndarray) -> Found:
        """Predict on one frame.

        Parameters
        ----------
        frame : array, (H, W, 3), uint8
            RGB. A model of context sees it five times.

        Returns
        -------
        keypoints_frame_px : array, (K, 2)
        confidence : array, (K,)
        """
        keypoints_px, confidence = predict_whole(self.predictor.for_video(), [[check_frame(frame)]])
        return keypoints_px[0], confidence[0]
