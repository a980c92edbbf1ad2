"""Label videos by their files: what is read, what is drawn, what is written."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.evaluation.label_input import read_labelled
from lightning_pose.evaluation.label_video import FramePainter, LabelStyle, label_video, write_contact_sheet
from lightning_pose.io.video import open_video
from lightning_pose.io.video_damage import check_video
from lightning_pose.io.video_stretch import parse_frames

logger = logging.getLogger(__name__)

LABELED_VIDEO = "labeled.mp4"
SHEET_FRAMES = 12


@dataclass(frozen=True)
class LabelFiles:
    """A video, what was found in it, and what is made of both.

    Parameters
    ----------
    video, predictions : what is read, in the video's own pixels.
    bbox : its boxes; None = none are drawn.
    output : the labelled video; None = none is made.
    sheet : the picture of a few frames; None = none is made.
    """

    video: Path
    predictions: Path
    bbox: Path | None = None
    output: Path | None = None
    sheet: Path | None = None


def files_of_model(model_dir: Path, video: Path) -> LabelFiles:
    """Return where a model's folder has what it found in a video, and where the labelled video goes."""
    folder = model_dir / "video_preds" / video.name
    bbox = folder / "bbox.csv"
    return LabelFiles(
        video, folder / "predictions.csv", bbox if bbox.is_file() else None, folder / LABELED_VIDEO
    )


def draw_files(
    files: LabelFiles,
    style: LabelStyle,
    frames: str | None = None,
    sheet_frames: int = SHEET_FRAMES,
    allow_truncated: bool = False,
) -> None:
    """Draw predictions into a video, into a sheet, or both.

    Parameters
    ----------
    files : what is read and written.
    style : what is drawn.
    frames : ``start:stop`` of the video; None = all.
    sheet_frames : how many frames the sheet has.
    allow_truncated : draw into what is there of a damaged video.

    Raises
    ------
    UserError
        If a file is missing or damaged, or rows and frames do not match; nothing is then left.
    """
    facts = check_video(files.video, allow_truncated).facts
    chosen = parse_frames(frames or ":", facts)
    predictions, boxes = read_labelled(files.predictions, files.bbox, chosen, facts, allow_truncated)
    source = open_video(facts)
    try:
        if files.output is not None:
            painter = FramePainter(predictions, boxes, style, source.frame_hw())
            label_video(source, painter, chosen, files.output)
            logger.info("wrote %s", files.output)
        if files.sheet is not None:
            write_contact_sheet(source, predictions, boxes, style, chosen, sheet_frames, files.sheet)
            logger.info("wrote %s", files.sheet)
    finally:
        source.close()
