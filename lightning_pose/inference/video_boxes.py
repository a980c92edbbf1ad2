"""Boxes of the unlabelled videos that a training on crops learns from, made if missing or stale."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_pose.fingerprint import fingerprint
from lightning_pose.inference.video import predict_videos
from lightning_pose.io.files import read_json, sha256, write_json
from lightning_pose.io.model_dir import weights_of
from lightning_pose.settings import WorkflowSettings

logger = logging.getLogger(__name__)


def boxes_for_videos(detector_dir: Path, videos: Sequence[Path], workflow: WorkflowSettings) -> Path:
    """Place boxes in unlabelled videos with a detector; those that are up to date stay.

    Boxes that were not placed here, but by hand or another command, stay too.

    Parameters
    ----------
    detector_dir : the detector's folder.
    videos : the files.
    workflow : says how boxes are placed, as it does for the labelled frames.

    Returns
    -------
    Path
        The folder for ``data.bbox_dir``.
    """
    folder = detector_dir / "video_preds"
    origins = {video: _origin(detector_dir, video, workflow) for video in videos}
    stale = [video for video in videos if not _is_kept(folder / video.name / "bbox.csv", origins[video])]
    if stale:
        predict_videos(detector_dir, stale, detector_mode=True, workflow=workflow)
    for video in stale:
        boxes_csv = folder / video.name / "bbox.csv"
        stamp = {"origin": origins[video], "sha256": sha256(boxes_csv)}
        write_json(stamp, boxes_csv.with_suffix(".json"))
    return folder


def _is_kept(boxes_csv: Path, origin: dict[str, Any]) -> bool:
    if not boxes_csv.is_file():
        return False
    stamp = read_json(boxes_csv.with_suffix(".json")) or {}
    if stamp.get("sha256") != sha256(boxes_csv):
        logger.info("keeping the boxes of %s, which were placed by hand or another command", boxes_csv)
        return True
    return bool(stamp["origin"] == origin)


def _origin(detector_dir: Path, video: Path, workflow: WorkflowSettings) -> dict[str, Any]:
    """Return what the boxes depend on."""
    file = video.stat()
    return {
        "weights": sha256(weights_of(detector_dir)),
        "video": [file.st_size, file.st_mtime_ns],
        "boxes": repr((workflow.boxes, workflow.crop_ratios[0], workflow.anchor_keypoints)),
        "code": fingerprint("lightning_pose.inference.video", "lightning_pose.inference.video_output"),
    }
