"""A model on a video in one pass: box, crop and keypoints of each frame, part by part.

Frames are decoded once, in turn, ahead of the networks, and held only until the pose model has seen them:
with a detector from where it looks to where the box is finished, a few frames later (`geometry.film_parts`,
`geometry.film_track`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lightning_pose.data.context import OFFSETS
from lightning_pose.geometry.boxes import join_boxes, replace_boxes
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference.film_boxes import BoxSource
from lightning_pose.inference.pictures import predict_in_boxes, sees_context
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.video import Video
from lightning_pose.io.video_stretch import read_ahead
from lightning_pose.types import Boxes

MARGIN = max(OFFSETS)  # frames before and after that context models see


@dataclass(frozen=True)
class FilmPart:
    """What was found in a part of a film.

    Parameters
    ----------
    frames : their numbers.
    keypoints_frame_px : array, (N, K, 2)
    confidence : array, (N, K)
    boxes : in frame pixels.
    """

    frames: range
    keypoints_frame_px: np.ndarray
    confidence: np.ndarray
    boxes: Boxes


def predict_parts(
    pose: Predictor,
    boxes: BoxSource,
    video: Video,
    parts: FilmParts,
    chosen: range,
    size: int,
    stop: int | None = None,
) -> Iterator[FilmPart]:
    """Predict on consecutive parts of a video, and yield each as it is finished.

    Parameters
    ----------
    pose : the network.
    boxes : what it looks at in each frame; made for the same parts.
    video : frames of any number.
    parts : how the video is cut.
    chosen : the parts.
    size : most frames that the network sees at a time.
    stop : where the last part may end, with the batch of the frame before; None = it is whole.
    """
    run = FilmRun(pose, boxes, parts, chosen, size, stop)
    for frames in read_ahead(video, run.decoded, size):
        yield from run.take(frames)
        if run.is_over:
            return


class Held:
    """The last frames of a film that went by, by their numbers.

    Parameters
    ----------
    count : frames of the film.
    context : whether five frames in a row are asked for.
    start : the first frame that will come.
    """

    def __init__(self, count: int, context: bool, start: int = 0) -> None:
        self.offsets = range(-MARGIN, MARGIN + 1) if context else range(1)
        self.count, self.start = count, start
        self._frames: deque[np.ndarray] = deque()

    @property
    def ready(self) -> int:
        """All frames before this one have been there with all their neighbours."""
        end = self.start + len(self._frames)
        return end if end == self.count else end - self.offsets[-1]

    def extend(self, frames: np.ndarray) -> None:
        """Take the next frames, (B, H, W, 3)."""
        self._frames.extend(frames)

    def window(self, number: int) -> list[np.ndarray]:
        """Return frame `number`, with its neighbours if they are asked for; the film's ends are repeated."""
        numbers = [min(max(number + offset, 0), self.count - 1) for offset in self.offsets]
        return [self._frames[own - self.start] for own in numbers]

    def let_go(self, number: int) -> None:
        """Forget what no frame from `number` on needs."""
        while self._frames and self.start < number + self.offsets[0]:
            self._frames.popleft()
            self.start += 1


class FilmRun:
    """The way of a film's frames: box, crop, keypoints.

    Parameters
    ----------
    pose, boxes, parts, chosen, size, stop : see `predict_parts`.

    Attributes
    ----------
    decoded : the frames that must be taken, in order.
    """

    def __init__(
        self,
        pose: Predictor,
        boxes: BoxSource,
        parts: FilmParts,
        chosen: range,
        size: int,
        stop: int | None = None,
    ) -> None:
        self.pose, self.boxes, self.parts, self.size = pose, boxes, parts, size
        whole = parts.frames(chosen)
        last = whole.stop if stop is None else parts.batch_at(stop - 1, size).stop
        self._wanted = range(whole.start, min(whole.stop, last))
        self._looked, self._posed = boxes.frames.start, self._wanted.start
        context = sees_context(pose) or boxes.sees_context
        margin = MARGIN if context else 0
        first = max(min(self._looked, self._posed) - margin, 0)
        self.decoded = range(first, min(max(boxes.frames.stop, self._wanted.stop) + margin, parts.count))
        self.held = Held(parts.count, context, first)
        self._found: list[tuple[np.ndarray, np.ndarray, Boxes]] = []

    @property
    def is_over(self) -> bool:
        """Whether all frames were predicted on."""
        return self._posed >= self._wanted.stop

    def take(self, frames: np.ndarray) -> Iterator[FilmPart]:
        """Take the next frames of the film, (B, H, W, 3); yield the parts that are finished now."""
        self.held.extend(frames)
        self._look()
        while self._posed < self._wanted.stop:
            batch = self.parts.batch_at(self._posed, self.size)
            if batch.stop > min(self.held.ready, self.boxes.ready):
                break
            self._predict(batch)
            if batch.stop % self.parts.part_frames == 0 or batch.stop == self._wanted.stop:
                yield self._finished_part(batch.stop)
        looks_on = self._looked < self.boxes.frames.stop
        self.held.let_go(min(self._posed, self._looked) if looks_on else self._posed)

    def _look(self) -> None:
        """Have boxes placed in all frames that are ready."""
        while self._looked < self.boxes.frames.stop:
            batch = self.parts.batch_at(self._looked, self.size)
            if batch.stop > self.held.ready:
                return
            self.boxes.look([self.held.window(number) for number in batch], batch)
            self._looked = batch.stop

    def _predict(self, batch: range) -> None:
        """Have the pose model look at the next frames, and the boxes once more at those that it doubts.

        Of the two boxes of such a frame, the one in which the pose model is surer is kept.
        """
        boxes = self.boxes.take(batch)
        windows = [self.held.window(number) for number in batch]
        keypoints_px, confidence = predict_in_boxes(self.pose, windows, boxes.xywh_px)
        rows = self.boxes.doubtful(boxes, confidence)
        if rows:
            own = [windows[row] for row in rows]
            again = self.boxes.look_again(own, boxes, rows)
            other_px, sure = predict_in_boxes(self.pose, own, again.xywh_px[rows])
            surer = sure.mean(1) > confidence[rows].mean(1)
            better = np.array(rows)[surer]
            keypoints_px[better], confidence[better] = other_px[surer], sure[surer]
            boxes = replace_boxes(boxes, again, better)
        self._found.append((keypoints_px, confidence, boxes))
        self._posed = batch.stop

    def _finished_part(self, stop: int) -> FilmPart:
        keypoints_px, confidence = (np.concatenate([own[place] for own in self._found]) for place in (0, 1))
        boxes, self._found = join_boxes([own[2] for own in self._found]), []
        return FilmPart(range(stop - len(confidence), stop), keypoints_px, confidence, boxes)
