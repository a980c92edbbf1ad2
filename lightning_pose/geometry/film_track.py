"""Boxes of a whole film, or of some of its parts: one tracker a part, so that each part stands for itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from lightning_pose.geometry.box_track import BoxTracker, TrackedBox
from lightning_pose.geometry.boxes import BoxRule, warn_of_lost
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.settings import BoxSettings
from lightning_pose.types import Boxes


class FilmTracker:
    """Places the boxes of consecutive parts of a film.

    Parameters
    ----------
    start : makes the tracker of a part.
    parts : of the film.
    chosen : the parts whose boxes are wanted.

    Attributes
    ----------
    frames : the frames that must be added, one by one: those of the parts, of the warm-up before, and those
        that the last box looks ahead to.
    """

    def __init__(self, start: Callable[[], BoxTracker], parts: FilmParts, chosen: range) -> None:
        self._start, self._parts = start, parts
        self._waiting = deque(chosen)
        self._active: deque[PartTracker] = deque()
        self.reach = start().reach
        last = min(parts.frames(chosen).stop + self.reach, parts.count)
        self.frames = range(parts.warm_up_start(chosen.start), last)
        self._next = self.frames.start

    def add(self, seen: tuple[np.ndarray, np.ndarray] | None) -> list[TrackedBox]:
        """Take what the detector saw in the next frame, keypoints (K, 2) and confidence (K,); None = no look.

        Returns the boxes that are finished now, in order of the frames from the first of the parts on.
        """
        while self._waiting and self._parts.warm_up_start(self._waiting[0]) == self._next:
            frames = self._parts.frames(range(self._waiting[0], self._waiting.popleft() + 1))
            self._active.append(PartTracker(self._start(), frames, self._next))
        found: list[TrackedBox] = []
        for own in self._active:
            found += own.add(seen)
            is_last = self._next + 1 == min(own.frames.stop + self.reach, self._parts.count)
            found += own.finish() if is_last else []
        self._next += 1
        while self._active and self._next >= min(self._active[0].frames.stop + self.reach, self._parts.count):
            self._active.popleft()
        return found


class PartTracker:
    """A tracker that keeps the boxes of a part to itself until the part begins, and those after its end."""

    def __init__(self, tracker: BoxTracker, frames: range, start: int) -> None:
        self.tracker, self.frames, self._next = tracker, frames, start

    def add(self, seen: tuple[np.ndarray, np.ndarray] | None) -> list[TrackedBox]:
        """Take what was seen in the next frame."""
        return self._within(self.tracker.skip() if seen is None else self.tracker.add(*seen))

    def finish(self) -> list[TrackedBox]:
        """Return the boxes that are left."""
        return self._within(self.tracker.finish())

    def _within(self, boxes: list[TrackedBox]) -> list[TrackedBox]:
        start, self._next = self._next, self._next + len(boxes)
        return [box for number, box in enumerate(boxes, start) if number in self.frames]


def track_boxes(
    keypoints_frame_px: np.ndarray,
    confidence: np.ndarray,
    frame_size: Callable[[], tuple[int, int]],
    rule: BoxRule,
    settings: BoxSettings,
    parts: FilmParts | None = None,
) -> Boxes:
    """Place a box in each frame of a whole video.

    Parameters
    ----------
    keypoints_frame_px : array, (N, K, 2)
        The detector's; NaN = nothing predicted.
    confidence : array, (N, K)
    frame_size : gives the (height, width) of the frames; asked only where the animal was not seen yet.
    rule : which keypoints a box is placed around, and how large it is.
    settings : BoxSettings
    parts : how the video is cut; None = into parts of the usual length.

    Returns
    -------
    Boxes
        Row i is frame i.
    """
    parts = parts or FilmParts(len(keypoints_frame_px))
    tracker = FilmTracker(lambda: BoxTracker(rule, frame_size, settings), parts, range(len(parts)))
    rows = zip(keypoints_frame_px, confidence, strict=True)
    return as_boxes([box for row in rows for box in tracker.add(row)])


def as_boxes(tracked: list[TrackedBox]) -> Boxes:
    """Return the boxes of a video, and say where no animal was found."""
    boxes = boxes_of(tracked, range(len(tracked)))
    warn_of_lost(boxes.index, boxes.status or [])
    return boxes


def boxes_of(tracked: Sequence[TrackedBox], frames: range) -> Boxes:
    """Return the boxes of some frames."""
    xywh_px = np.array([box.xywh_px for box in tracked]).reshape(-1, 4)
    confidence = np.array([box.confidence for box in tracked])
    return Boxes(list(frames), xywh_px, [box.status for box in tracked], confidence)
