"""Where the boxes of a film's frames come from: they are given, or a detector places them as frames pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from lightning_pose.geometry.box_track import BoxTracker, TrackedBox, is_near
from lightning_pose.geometry.boxes import BoxRule
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.geometry.film_track import FilmTracker, boxes_of
from lightning_pose.inference.looks import Looks
from lightning_pose.inference.pictures import Found, Window, predict_in_boxes, sees_context
from lightning_pose.inference.predict import Predictor
from lightning_pose.settings import BoxSettings
from lightning_pose.types import Boxes, BoxStatus

GROWTH = 2.0  # times the side of the box it was expected in that an animal may have
DOUBT = 0.7  # a frame without a look is doubtful below this share of the confidence in those with one


class BoxSource(Protocol):
    """Boxes of consecutive parts of a film.

    Attributes
    ----------
    frames : those that must be looked at, batch by batch; may begin before the parts and end behind them.
    sees_context : whether each frame comes with its neighbours.
    """

    frames: range
    sees_context: bool

    @property
    def ready(self) -> int:
        """Return the first frame whose box cannot be taken yet."""

    def look(self, windows: Sequence[Window], batch: range) -> None:
        """Look at the next frames."""

    def take(self, batch: range) -> Boxes:
        """Return the boxes of the next frames, and forget them."""

    def doubtful(self, boxes: Boxes, confidence: np.ndarray) -> list[int]:
        """Return the rows of a batch that are to be looked at again, from the pose's confidence (B, K)."""

    def look_again(self, windows: Sequence[Window], boxes: Boxes, rows: list[int]) -> Boxes:
        """Look at doubtful rows of a batch by themselves; returns the boxes of the whole batch."""


class GivenBoxes:
    """Boxes that are known.

    Parameters
    ----------
    xywh_px : array, (N, 4), of all frames of the film, or (1, 4) for one that all frames share
    parts, chosen : the parts of the film.
    """

    sees_context = False

    def __init__(self, xywh_px: np.ndarray, parts: FilmParts, chosen: range) -> None:
        self._xywh_px = xywh_px
        self.ready = parts.frames(chosen).stop
        self.frames = range(self.ready, self.ready)

    def look(self, windows: Sequence[Window], batch: range) -> None:
        """Never asked for."""

    def take(self, batch: range) -> Boxes:
        """Return the boxes of the next frames."""
        if len(self._xywh_px) == 1:
            return Boxes(list(batch), np.tile(self._xywh_px, (len(batch), 1)))
        return Boxes(list(batch), self._xywh_px[batch.start : batch.stop])

    def doubtful(self, boxes: Boxes, confidence: np.ndarray) -> list[int]:
        """Return no rows: given boxes stay."""
        return []

    def look_again(self, windows: Sequence[Window], boxes: Boxes, rows: list[int]) -> Boxes:
        """Never asked for."""
        return boxes


class DetectedBoxes:
    """Boxes around what a detector finds, steady from frame to frame.

    Parameters
    ----------
    detector : the network.
    rule : which of its keypoints a box is placed around, and how large it is.
    settings : how boxes move, and how often the detector looks.
    frame_size : gives the (height, width) of the frames.
    parts, chosen : the parts of the film.
    size : frames of a batch.
    """

    def __init__(
        self,
        detector: Predictor,
        rule: BoxRule,
        settings: BoxSettings,
        frame_size: Callable[[], tuple[int, int]],
        parts: FilmParts,
        chosen: range,
        size: int,
    ) -> None:
        self.detector, self.rule, self.frame_hw = detector, rule, frame_size()
        self.max_speed = settings.max_speed
        self.sees_context = sees_context(detector)
        self.looks = Looks(settings.detect_every, parts)
        self.tracker = FilmTracker(
            lambda: BoxTracker(rule, frame_size, settings, self.looks.spacing), parts, chosen
        )
        needed = self.tracker.frames
        self.frames = range(needed.start, parts.batch_at(needed.stop - 1, size).stop)
        self._next = parts.frames(chosen).start
        self._boxes: deque[TrackedBox] = deque()
        self._unlooked: set[int] = set()  # frames, not taken yet, that the detector did not look at
        self._sure = 0.0  # of the pose model, where the detector looked in this part

    @property
    def ready(self) -> int:
        """Boxes of all frames before this one can be taken."""
        return self._next + len(self._boxes)

    def look(self, windows: Sequence[Window], batch: range) -> None:
        """Look at the next frames, or at some of them."""
        numbers = self.looks.choose(batch)
        found = self._detect([windows[number - batch.start] for number in numbers]) if numbers else ()
        seen = dict(zip(numbers, zip(*found, strict=True), strict=True))
        self._unlooked.update(number for number in batch if number not in seen)
        for number in batch:
            if number in self.tracker.frames:
                self._boxes += self.tracker.add(seen.get(number))
        self.looks.learn([(number, self._measure(*own)) for number, own in seen.items()])

    def take(self, batch: range) -> Boxes:
        """Return the boxes of the next frames, and forget them."""
        self._next = batch.stop
        return boxes_of([self._boxes.popleft() for _ in batch], batch)

    def doubtful(self, boxes: Boxes, confidence: np.ndarray) -> list[int]:
        """Return where the detector did not look, and the pose model is less sure than where it did."""
        sure, seen = confidence.mean(1), np.array(boxes.status) == BoxStatus.DETECTED.value
        unlooked = np.array([number in self._unlooked for number in boxes.index])
        self._unlooked.difference_update(number for number in boxes.index)
        if boxes.index[0] % self.looks.parts.part_frames == 0:
            self._sure = 0.0  # each part stands for itself
        if seen.any():
            self._sure = float(np.median(sure[seen]))
        return list(np.flatnonzero(unlooked & (sure < DOUBT * self._sure)))

    def look_again(self, windows: Sequence[Window], boxes: Boxes, rows: list[int]) -> Boxes:
        """Look at doubtful rows of a batch by themselves; where nothing credible is seen, the box stays."""
        xywh_px, status, sure = boxes.xywh_px.copy(), list(boxes.status or []), np.array(boxes.confidence)
        for row, seen in zip(rows, zip(*self._detect(windows), strict=True), strict=True):
            measure = self._measure(*seen)
            is_lost = status[row] == BoxStatus.FALLBACK.value
            if measure is not None and (is_lost or self._is_credible(measure, xywh_px[row])):
                xywh_px[row] = self.rule.square(measure)
                status[row] = BoxStatus.DETECTED.value
                sure[row] = seen[1][self.rule.usable(*seen)].mean()
        return Boxes(boxes.index, xywh_px, status, sure)

    def _is_credible(self, measure: np.ndarray, xywh_px: np.ndarray) -> bool:
        """Say whether an animal can be where it was seen, from the box that it was expected in."""
        expected = np.array([*(xywh_px[:2] + xywh_px[2:] / 2), xywh_px[2]])
        return self.max_speed is None or (
            is_near(measure, expected, self.max_speed) and measure[2] <= GROWTH * expected[2]
        )

    def _detect(self, windows: Sequence[Window]) -> Found:
        """Return the detector's keypoints (B, K, 2) in frame pixels, and confidence (B, K)."""
        height, width = self.frame_hw
        return predict_in_boxes(self.detector, windows, np.tile([0, 0, width, height], (len(windows), 1)))

    def _measure(self, keypoints_px: np.ndarray, confidence: np.ndarray) -> np.ndarray | None:
        used = self.rule.usable(keypoints_px, confidence)
        return self.rule.measure(keypoints_px[used]) if len(used) else None
