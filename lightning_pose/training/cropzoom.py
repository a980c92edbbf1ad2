"""Train a cropzoom model from nothing: detector, its crops, pose model, and the folder that joins them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.config import load_config
from lightning_pose.data.frame_labels import labels_path
from lightning_pose.inference.cropzoom_run import create_cropzoom, predict_cropzoom
from lightning_pose.training.eval_videos import draw_eval_videos, eval_videos
from lightning_pose.training.run import copy_predictions, train, with_sibling

DETECTOR, POSE = "detector", "pose"  # kinds of settings, and folders within the model's


def train_cropzoom(
    config: Path,
    output_dir: Path,
    overrides: Sequence[str] = (),
    predicts: bool = True,
) -> None:
    """Train both networks of a config file and join them.

    What is there of an earlier call and still up to date stays: a finished training, an interrupted one's
    state, boxes, crops.

    Parameters
    ----------
    config : the config file; ``workflow.detector`` and ``workflow.pose`` go over its other settings.
    output_dir : the model's folder, with the networks in ``detector/`` and ``pose/``.
    overrides : ``key=value`` over the settings of both.
    predicts : end with predictions, in frame pixels, on the config's own CSV and its ``_new`` sibling, and
        on the videos that ``eval`` names.

    Raises
    ------
    UserError
        Everything wrong with settings and data of a network, before it is trained.
    """
    own = load_config(config, overrides, DETECTOR)
    test_videos = eval_videos(own) if predicts else []
    detector_dir, pose_dir = output_dir / DETECTOR, output_dir / POSE
    for kind, folder, detector in ((DETECTOR, detector_dir, None), (POSE, pose_dir, detector_dir)):
        settings = load_config(config, overrides, kind)
        train(settings, str(config), folder, detector, predicts=False, keeps_finished=True)
    create_cropzoom(detector_dir, pose_dir, output_dir)
    if not predicts:
        return
    csv_files = [path for path in with_sibling(labels_path(own)) if path.is_file()]
    predict_cropzoom(output_dir, csv_files, test_videos)
    copy_predictions(csv_files[0], output_dir)
    draw_eval_videos(own, output_dir, test_videos)
