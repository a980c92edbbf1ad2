"""Predictions on videos after a training, as `eval` of the settings asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning_pose.data.frame_labels import labels_path
from lightning_pose.evaluation.label_files import draw_files, files_of_model
from lightning_pose.evaluation.label_video import LabelStyle
from lightning_pose.inference.video import predict_videos
from lightning_pose.inference.video_boxes import boxes_for_videos
from lightning_pose.io.crop_manifest import crops_dir, manifest_of_video
from lightning_pose.io.video import find_videos
from lightning_pose.settings import Settings
from lightning_pose.types import Problem, UserError

KEY = "eval.test_videos_directory"


def eval_videos(settings: Settings) -> list[Path]:
    """Return the videos that are predicted on after a training; none where the settings name no folder.

    Raises
    ------
    UserError
        If there are none in the folder, or the labels are of crops and a video is not.
    """
    own = settings.eval
    if not own.predict_vids_after_training or not own.test_videos_directory:
        return []
    videos = find_videos(own.test_videos_directory, Path(settings.data.data_dir), KEY)
    if crops_dir(labels_path(settings)) is not None:
        expected = "videos of crops (litpose crop), since the labels are of crops"
        whole = [video for video in videos if manifest_of_video(video) is None]
        if whole:
            raise UserError([Problem(KEY, expected, str(video)) for video in whole])
    return videos


def predict_eval_videos(
    settings: Settings, model_dir: Path, videos: Sequence[Path], detector_dir: Path | None = None
) -> None:
    """Predict on videos with a model that was just trained, and draw what it finds if that is asked for.

    Parameters
    ----------
    settings : of the training.
    model_dir : the model's folder.
    videos : of frames; for a model of crops without a detector, of crops.
    detector_dir : the detector whose boxes a pose model sees the frames by.
    """
    if not videos:
        return
    boxes = []
    if detector_dir is not None:
        folder = boxes_for_videos(detector_dir, videos, settings.workflow)
        boxes = [folder / video.name / "bbox.csv" for video in videos]
    predict_videos(model_dir, videos, bbox_csvs=boxes)
    draw_eval_videos(settings, model_dir, videos, boxes)


def draw_eval_videos(
    settings: Settings, model_dir: Path, videos: Sequence[Path], bbox_csvs: Sequence[Path] = ()
) -> None:
    """Draw a model's predictions into videos, if ``eval.save_vids_after_training`` asks for it."""
    if not settings.eval.save_vids_after_training:
        return
    style = LabelStyle(settings.data.skeleton, settings.eval.confidence_thresh_for_vid)
    for row, video in enumerate(videos):
        files = files_of_model(model_dir, video)
        draw_files(replace(files, bbox=bbox_csvs[row]) if bbox_csvs else files, style)
