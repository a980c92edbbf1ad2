"""Draw what was found in a video into its frames: a labelled video, or a sheet of a few frames.

Decoding, drawing and encoding overlap; frames are drawn into where they were decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from lightning_pose.data.cut import crop_image
from lightning_pose.evaluation.draw import (
    BOX,
    UNSURE_BOX,
    SkeletonPainter,
    fixed_point,
    paint_box,
    paint_text,
)
from lightning_pose.evaluation.sheets import write_sheet
from lightning_pose.geometry.crop_space import frame_to_crop
from lightning_pose.io.video import Video
from lightning_pose.io.video_stretch import read_ahead
from lightning_pose.io.video_writer import TO_WATCH, write_video
from lightning_pose.types import Boxes, BoxStatus, Predictions

CHUNK = 16  # frames decoded at a time
KEYPOINT_OF_BOX, KEYPOINT_OF_FRAME, LEAST_RADIUS = 1 / 50, 1 / 200, 2.0  # radius by a side
TILE, TILE_RADIUS = 320, 4.0  # pixels a side of a sheet's picture, and of a keypoint


@dataclass(frozen=True)
class LabelStyle:
    """What is drawn.

    Parameters
    ----------
    skeleton : pairs of keypoints to join.
    min_confidence : keypoints below are left out.
    marks_unsure : draw those as rings instead.
    trails : frames that each keypoint's way is drawn of; 0 = none.
    radius : of a keypoint, pixels; None = by the size of the boxes, or else of the frame.
    frame_numbers : write the number of each frame into its corner.
    """

    skeleton: Sequence[Sequence[str]] = field(default_factory=list)
    min_confidence: float = 0.9
    marks_unsure: bool = False
    trails: int = 0
    radius: float | None = None
    frame_numbers: bool = False


class FramePainter:
    """Draws into frames what was found in them.

    Parameters
    ----------
    predictions : of consecutive frames, in their pixels.
    boxes : of the same frames; None = none are drawn.
    style : what is drawn.
    frame_hw : height and width of the frames.
    """

    def __init__(
        self, predictions: Predictions, boxes: Boxes | None, style: LabelStyle, frame_hw: Sequence[int]
    ) -> None:
        self.first, self.boxes, self.style = int(predictions.index[0]), boxes, style
        there = np.isfinite(predictions.keypoints_px).all(-1)
        self.points = fixed_point(predictions.keypoints_px)
        self.shown = there & (predictions.confidence >= style.min_confidence)
        self.unsure = there & ~self.shown
        self._ways = np.ascontiguousarray(self.points.transpose(1, 0, 2))  # (K, N, 2)
        rows = np.arange(len(self.shown))[:, None]
        self._seen_since = np.maximum.accumulate(np.where(self.shown, -1, rows)) + 1
        radius = style.radius or _radius(boxes, frame_hw)
        self._skeleton = SkeletonPainter(predictions.keypoint_names, style.skeleton, radius)

    def paint(self, frame: np.ndarray, number: int) -> None:
        """Draw into frame `number`, (H, W, 3) uint8, RGB."""
        row = number - self.first
        if self.boxes is not None:
            paint_box(frame, self.boxes.xywh_px[row], self._box_color(row))
        if self.style.trails:
            self._skeleton.paint_trails(frame, self._trails(row))
        self._skeleton.paint(frame, self.points[row], self.shown[row])
        if self.style.marks_unsure:
            self._skeleton.paint_rings(frame, self.points[row], self.unsure[row])
        if self.style.frame_numbers:
            paint_text(frame, str(number))

    def _trails(self, row: int) -> list[np.ndarray]:
        """Return where each keypoint was in the last frames, back to the last one without it."""
        starts = np.maximum(self._seen_since[row], row - self.style.trails)
        return [way[start : row + 1] for way, start in zip(self._ways, starts, strict=True)]

    def _box_color(self, row: int) -> tuple[int, int, int]:
        """Return the colour of a box, another one where the detector saw no animal."""
        status = None if self.boxes is None or self.boxes.status is None else self.boxes.status[row]
        return UNSURE_BOX if status in (BoxStatus.FALLBACK, BoxStatus.CARRIED) else BOX


def label_video(source: Video, painter: FramePainter, frames: range, output: Path) -> None:
    """Write a video of some frames of another with what was found in them, at the same times.

    Raises
    ------
    UserError
        If a frame cannot be decoded, or the file cannot be written; nothing is then left.
    """
    times_s = source.facts.times_s[frames.start : frames.stop]
    with write_video(output, source.frame_hw(), times_s, TO_WATCH) as writer:
        number = frames.start
        for chunk in read_ahead(source, frames, CHUNK):
            for frame in chunk:
                painter.paint(frame, number)
                writer.write(frame)
                number += 1


def write_contact_sheet(
    source: Video,
    predictions: Predictions,
    boxes: Boxes | None,
    style: LabelStyle,
    frames: range,
    count: int,
    output: Path,
) -> None:
    """Write a PNG of evenly spaced frames with what was found in them; with boxes, of what these show.

    Parameters
    ----------
    source : the video.
    predictions, boxes : of consecutive frames of it, in frame pixels.
    style : what is drawn.
    frames : those to choose from.
    count : how many.
    output : the PNG.
    """
    numbers = np.unique(np.linspace(frames.start, frames.stop - 1, count).round().astype(int))
    style = replace(style, frame_numbers=True)
    if boxes is None:
        tiles = list(_whole_tiles(source, FramePainter(predictions, None, style, source.frame_hw()), numbers))
    else:
        tiles = list(_box_tiles(source, predictions, boxes, style, numbers))
    write_sheet(tiles, output)


def _whole_tiles(source: Video, painter: FramePainter, numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Yield whole frames, made small after they were drawn into."""
    height, width = source.frame_hw()
    size = TILE, max(round(TILE * height / width), 1)
    for number in numbers:
        frame = source.read(int(number), 1)[0]
        painter.paint(frame, number)
        yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _box_tiles(
    source: Video, predictions: Predictions, boxes: Boxes, style: LabelStyle, numbers: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield what the boxes show, drawn into at the size of the picture. Ways would cross several boxes."""
    keypoints_crop_px = frame_to_crop(predictions.keypoints_px, boxes.xywh_px, (TILE, TILE))
    on_crops = replace(predictions, keypoints_px=keypoints_crop_px)
    painter = FramePainter(on_crops, None, replace(style, trails=0, radius=TILE_RADIUS), (TILE, TILE))
    for number in numbers:
        x, y, w, h = (float(side) for side in boxes.xywh_px[number - painter.first])
        tile = crop_image(source.read(int(number), 1)[0], (x, y, w, h), (TILE, TILE))
        painter.paint(tile, number)
        yield tile


def _radius(boxes: Boxes | None, frame_hw: Sequence[int]) -> float:
    if boxes is None:
        return max(max(frame_hw) * KEYPOINT_OF_FRAME, LEAST_RADIUS)
    return max(float(np.median(boxes.xywh_px[:, 2:])) * KEYPOINT_OF_BOX, LEAST_RADIUS)
