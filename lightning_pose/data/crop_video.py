"""Crop a video around its boxes: a smaller video of a fixed size, with as many frames at the same times.

Beside it lie its boxes (``bbox.csv``) and a manifest (``crops.json``), by which predictions on it are mapped
back to the frame.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from lightning_pose.data.clips import as_box, read_video_boxes
from lightning_pose.data.cut import crop_image
from lightning_pose.io.bboxes import boxes_digest, leave_bboxes, read_bboxes
from lightning_pose.io.crop_manifest import BOXES_FILE, MANIFEST, write_manifest
from lightning_pose.io.destination import check_destinations
from lightning_pose.io.files import alone, sha256
from lightning_pose.io.video import Video, open_video
from lightning_pose.io.video_damage import check_video
from lightning_pose.io.video_facts import VideoFacts, how_to_convert
from lightning_pose.io.video_stretch import read_ahead
from lightning_pose.io.video_writer import TO_PREDICT_ON, VideoWriter, write_video
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

CHUNK = 16  # frames decoded at a time


def crop_video(video: Path, bbox_csv: Path, output_dir: Path, crop_hw: tuple[int, int]) -> Path:
    """Crop each frame of a video around its box, in one resampling, as a pose model's own crops are.

    Parameters
    ----------
    video : the file.
    bbox_csv : the box of each of its frames, in frame pixels.
    output_dir : gets ``cropped_<video>.mp4``, ``bbox.csv`` and ``crops.json``.
    crop_hw : height and width of the crops, even numbers.

    Returns
    -------
    Path
        The cropped video.

    Raises
    ------
    UserError
        If the video is damaged, the boxes are not those of its frames, or `output_dir` cannot be written;
        nothing is then left.
    """
    if crop_hw[0] % 2 or crop_hw[1] % 2:
        expected = "an even height and width, as H.264 has them"
        raise UserError(Problem("--crop_size", expected, "{}x{}".format(*crop_hw)))
    output, manifest = output_dir / f"cropped_{video.stem}.mp4", output_dir / MANIFEST
    check_destinations([output])
    facts = check_video(video, advice=f"make a whole one of these: {how_to_convert(video)}").facts
    xywh_px = read_video_boxes(bbox_csv, facts)
    with alone(output_dir):
        _write_crops(facts, xywh_px, output, crop_hw)
        leave_bboxes(read_bboxes(bbox_csv), bbox_csv, output_dir / BOXES_FILE)
        entry = {
            "files": {output.name: output.stat().st_size},
            "sha256": {output.name: sha256(output)},
            "boxes": boxes_digest(xywh_px),
        }
        content = {"source": video.name, "images_dir": ".", "crop_size": list(crop_hw)}
        write_manifest({**content, "crops": {video.name: entry}}, manifest)
    logger.info("wrote %s: %d frames of %d x %d px", output, len(xywh_px), crop_hw[1], crop_hw[0])
    return output


def _write_crops(facts: VideoFacts, xywh_px: np.ndarray, output: Path, crop_hw: tuple[int, int]) -> None:
    """Write the cropped video; a manifest beside it tells of other crops from then on."""
    source = open_video(facts)
    try:
        with write_video(output, crop_hw, facts.times_s, TO_PREDICT_ON) as writer:
            _crop_frames(source, xywh_px, writer)
            (output.parent / MANIFEST).unlink(missing_ok=True)
    finally:
        source.close()


def _crop_frames(source: Video, xywh_px: np.ndarray, writer: VideoWriter) -> None:
    """Hand all frames of a video to a writer, each cut by its box."""
    number = 0
    for frames in read_ahead(source, range(source.frame_count), CHUNK):
        for frame in frames:
            writer.write(crop_image(frame, as_box(xywh_px[number]), writer.frame_hw))
            number += 1
