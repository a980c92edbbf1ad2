"""Unlabelled videos as a network sees them: whole frames, or crops by a box a frame, resized."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lightning_pose.data.cut import LARGEST_BOX, Box, crop_image, misses
from lightning_pose.data.frame_labels import is_of_crops
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.video import Video, find_videos, open_video
from lightning_pose.io.video_facts import VideoFacts, probe_video, uneven_frames
from lightning_pose.settings import Settings, VideoLibrary
from lightning_pose.types import Boxes, Problem, UserError

logger = logging.getLogger(__name__)

CHUNK = 64  # frames decoded at a time
BOXES_FROM_ROW = 2  # of a bounding-box CSV, as an editor counts


@dataclass(frozen=True)
class ClipFacts:
    """A video, and what of each frame is looked at.

    Parameters
    ----------
    video : VideoFacts
    xywh_px : array, (N, 4), or None
        The box of each frame in frame pixels; None = the whole frame.
    """

    video: VideoFacts
    xywh_px: np.ndarray | None = None


def find_clips(settings: Settings) -> list[ClipFacts]:
    """Find and check all unlabelled videos of a training, and their boxes.

    Raises
    ------
    UserError
        Every video that is missing, empty, truncated, of variable frame rate or shorter than a sequence, and
        every box CSV that is missing or does not fit its video.
    """
    data, length = settings.data, settings.dali.base.train.sequence_length
    if data.bbox_dir is None and is_of_crops(settings):
        expected = "the boxes of the unlabelled videos, since the labels are of crops"
        raise UserError(Problem("data.bbox_dir", expected, "none"))
    clips, problems = [], []
    for path in find_videos(data.video_dir, Path(data.data_dir)):
        try:
            clips.append(_find_clip(path, length, data.bbox_dir))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return clips


def _find_clip(path: Path, length: int, bbox_dir: str | None) -> ClipFacts:
    facts = probe_video(path)
    uneven = uneven_frames(facts)
    if uneven is not None:
        raise UserError(uneven)
    if facts.frame_count < length:
        expected = f"at least {length} frames (dali.base.train.sequence_length)"
        raise UserError(Problem(str(path), expected, str(facts.frame_count)))
    if bbox_dir is None:
        return ClipFacts(facts)
    return ClipFacts(facts, read_video_boxes(find_video_boxes(Path(bbox_dir), path), facts))


def find_video_boxes(bbox_dir: Path, video: Path) -> Path:
    """Return the CSV of a video's boxes in a folder, which may be another tool's.

    It is ``<video file name>/bbox.csv``, ``<video stem>/bbox.csv`` or ``<video stem>_bbox.csv``.

    Raises
    ------
    UserError
        If there is none, or more than one.
    """
    names = (f"{video.name}/bbox.csv", f"{video.stem}/bbox.csv", f"{video.stem}_bbox.csv")
    found = [name for name in names if (bbox_dir / name).is_file()]
    if len(found) == 1:
        return bbox_dir / found[0]
    expected = f"the boxes of {video}: one of {', '.join(names)}"
    raise UserError(Problem(str(bbox_dir), expected, " and ".join(found) or "none"))


def read_video_boxes(bbox_csv: Path, facts: VideoFacts) -> np.ndarray:
    """Read the box of each frame of a video, (N, 4): x, y, w, h in frame pixels.

    Raises
    ------
    UserError
        Of the first row that is amiss: it is no box, or not that of its frame. If no box shows any of its
        frame.
    """
    try:
        boxes = read_bboxes(bbox_csv)
    except UserError as error:
        first, more = error.problems[0], len(error.problems) - 1
        rest = f" (and {more} more like it)" if more else ""
        raise UserError(replace(first, found=f"{first.found}{rest}")) from None
    problem = _wrong_frame(boxes, facts) or _beyond_reason(boxes, facts)
    if problem is not None:
        row, expected, found = problem
        raise UserError(Problem(f"{bbox_csv}, row {row + BOXES_FROM_ROW}", expected, found))
    _look_for_empty(boxes.xywh_px, facts, bbox_csv)
    return boxes.xywh_px


def as_box(xywh_px: np.ndarray) -> Box:
    """Return a row of boxes as `crop_image` takes it."""
    x, y, w, h = map(float, xywh_px)
    return x, y, w, h


def _look_for_empty(xywh_px: np.ndarray, facts: VideoFacts, bbox_csv: Path) -> None:
    """Say how many boxes show nothing of their frame; refuse them if all do."""
    video = open_video(facts)
    height, width = video.frame_hw()
    video.close()
    empty = [number for number, box in enumerate(xywh_px) if misses((height, width), as_box(box))]
    if len(empty) == len(xywh_px):
        expected = f"boxes that lie in frames of {width}x{height} px, as those of {facts.path}"
        raise UserError(Problem(str(bbox_csv), expected, "all outside"))
    if empty:
        logger.warning(
            "%d boxes lie outside their frame, so that the crops are black: frame %d is the first",
            len(empty), empty[0],
        )  # fmt: skip


def _wrong_frame(boxes: Boxes, facts: VideoFacts) -> tuple[int, str, str] | None:
    """Return the first row that is not its frame's: its number, what was expected, what was found."""
    count = facts.frame_count
    rule = f"a row for each of the frames 0 to {count - 1} of {facts.path}"
    if not boxes.index:
        return 0, f"frame 0, and {rule}", "none"
    summary = f"{len(boxes.index)} rows, {boxes.index[0]} to {boxes.index[-1]}"
    for number, name in enumerate(boxes.index[:count]):
        if name != number:
            return number, f"frame {number}, and {rule}", f"frame {name}; {summary}"
    if len(boxes.index) == count:
        return None
    if len(boxes.index) > count:
        return count, f"the end of the file, and {rule}", f"frame {boxes.index[count]}; {summary}"
    return len(boxes.index), f"frame {len(boxes.index)}, and {rule}", f"the end of the file; {summary}"


def _beyond_reason(boxes: Boxes, facts: VideoFacts) -> tuple[int, str, str] | None:
    """Return the first row whose box is so large that its padding would fill the memory."""
    limit = LARGEST_BOX * max(facts.height, facts.width)
    too_large = np.flatnonzero((boxes.xywh_px[:, 2:] > limit).any(1))
    if not len(too_large):
        return None
    row = int(too_large[0])
    _, _, w, h = boxes.xywh_px[row]
    return row, f"h and w up to {limit}, {LARGEST_BOX} times the frame's side", f"h={h:g}, w={w:g}"


class Clip:
    """An unlabelled video at the model's size.

    Parameters
    ----------
    facts : the video and its boxes.
    height, width : of the network's input.
    keeps : hold all frames in memory, once they are asked for.
    library : what decodes the video.
    on_gpu : whether it may be decoded on a GPU.
    """

    def __init__(
        self,
        facts: ClipFacts,
        height: int,
        width: int,
        keeps: bool,
        library: VideoLibrary = VideoLibrary.auto,
        on_gpu: bool = False,
    ) -> None:
        self.facts, self.height, self.width, self.keeps = facts, height, width, keeps
        self.library, self.on_gpu = library, on_gpu
        self._opened: tuple[int, Video] | None = None
        self._kept: np.ndarray | None = None

    def __len__(self) -> int:
        return self.facts.video.frame_count

    def frames(self, start: int, count: int) -> np.ndarray:
        """Return frames from `start` on, (count, height, width, 3) uint8."""
        if self._kept is not None:
            return self._kept[start : start + count]
        if not self.keeps:
            return self._load(start, count)
        self._kept = self._load(0, len(self))
        self._close()
        return self._kept[start : start + count]

    def boxes(self, start: int, count: int) -> np.ndarray:
        """Return what the frames show, (count, 4): x, y, w, h in frame pixels."""
        if self.facts.xywh_px is not None:
            return self.facts.xywh_px[start : start + count]
        height, width = self._video().frame_hw()
        return np.tile([0.0, 0.0, width, height], (count, 1))

    def _load(self, start: int, count: int) -> np.ndarray:
        loaded = np.empty((count, self.height, self.width, 3), np.uint8)
        for first in range(0, count, CHUNK):
            frames = self._video().read(start + first, min(CHUNK, count - first))
            boxes = self.boxes(start + first, len(frames))
            for row, (frame, box) in enumerate(zip(frames, boxes, strict=True), first):
                loaded[row] = crop_image(frame, as_box(box), (self.height, self.width))
        return loaded

    def _video(self) -> Video:
        """Return the open video; each process opens its own, since they would move each other's place."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), open_video(self.facts.video, self.library, self.on_gpu)
        return self._opened[1]

    def _close(self) -> None:
        if self._opened is not None and self.facts.xywh_px is not None:
            self._opened[1].close()
            self._opened = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": None}
