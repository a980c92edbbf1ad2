"""Detector and pose model on a video in one pass.

Frames are decoded once, in turn, and held only until the pose model has seen them: from where the detector
looks to where its box is finished, a few frames later (`lightning_pose.geometry.box_track`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lightning_pose.data.context import OFFSETS
from lightning_pose.data.cut import crop_image
from lightning_pose.geometry.box_track import BoxTracker, TrackedBox, as_boxes
from lightning_pose.geometry.boxes import BoxRule
from lightning_pose.inference.model import as_images, model_hw, predict_in_boxes, sees_context
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.video import Video, VideoFacts, open_video
from lightning_pose.settings import BoxSettings
from lightning_pose.types import Boxes, Predictions

LARGEST_CHUNK = 128 << 20  # bytes of frames decoded at a time; about four times as much is held

Chunk = tuple[np.ndarray, list[np.ndarray]]  # frames (B, H, W, 3), and the same as the detector sees them


def predict_film(
    detector: Predictor, pose: Predictor, facts: VideoFacts, rule: BoxRule, settings: BoxSettings
) -> tuple[Predictions, Boxes]:
    """Predict on all frames of a video.

    Parameters
    ----------
    detector, pose : the networks.
    facts : of the video.
    rule : which keypoints of the detector a box is placed around, and how large it is.
    settings : how boxes move from frame to frame.

    Returns
    -------
    predictions : Predictions
        In frame pixels; the index counts frames.
    boxes : Boxes
    """
    video = open_video(facts, pose.settings.dali.library, pose.device.type == "cuda")
    tracker = BoxTracker(rule, video.frame_hw, settings)
    fitting = max(LARGEST_CHUNK // (3 * math.prod(video.frame_hw())), 1)
    size = min(pose.settings.training.test_batch_size, fitting)
    stages = Stages(detector, pose, tracker, facts.frame_count, size)
    for chunk in _read_ahead(video, detector, size):
        stages.take(*chunk)
    video.close()
    return stages.predictions(), as_boxes(stages.boxes)


def _read_ahead(video: Video, detector: Predictor, size: int) -> Iterator[Chunk]:
    """Yield the frames of a video, decoding `size` of them while those before are worked on."""
    height, width = video.frame_hw()
    whole = 0.0, 0.0, float(width), float(height)

    def load(start: int) -> Chunk:
        frames = video.read(start, min(size, video.frame_count - start))
        return frames, [crop_image(frame, whole, model_hw(detector)) for frame in frames]

    with ThreadPoolExecutor(1) as reader:  # one, since frames come in order
        ahead = reader.submit(load, 0)
        for start in range(size, video.frame_count, size):
            current, ahead = ahead, reader.submit(load, start)
            yield current.result()
        yield ahead.result()


class Held:
    """Pictures of the last frames of a film, by the frames' numbers.

    Parameters
    ----------
    count : frames of the film.
    context : whether five frames in a row are asked for.
    """

    def __init__(self, count: int, context: bool) -> None:
        self.offsets = sorted((*OFFSETS, 0)) if context else [0]
        self.count, self.start = count, 0
        self._pictures: deque[np.ndarray] = deque()

    @property
    def ready(self) -> int:
        """How many of the film's frames have been there with all their neighbours."""
        end = self.start + len(self._pictures)
        return end if end == self.count else max(end - self.offsets[-1], 0)

    def extend(self, pictures: list[np.ndarray]) -> None:
        """Take the pictures of the next frames."""
        self._pictures.extend(pictures)

    def window(self, number: int) -> list[np.ndarray]:
        """Return frame `number`, with its neighbours if they are asked for; the film's ends are repeated."""
        numbers = np.clip(np.array(self.offsets) + number, 0, self.count - 1)
        return [self._pictures[own - self.start] for own in numbers]

    def let_go(self, number: int) -> None:
        """Forget what no frame from `number` on needs."""
        while self._pictures and self.start < number + self.offsets[0]:
            self._pictures.popleft()
            self.start += 1


class Stages:
    """The way of a film's frames: detector, box, pose model.

    Parameters
    ----------
    detector, pose : the networks.
    tracker : places the boxes.
    count : frames of the film.
    size : frames that the pose model sees at a time.
    """

    def __init__(
        self, detector: Predictor, pose: Predictor, tracker: BoxTracker, count: int, size: int
    ) -> None:
        self.detector, self.pose, self.tracker, self.count = detector, pose, tracker, count
        self.names = list(pose.settings.data.keypoint_names or [])
        self.size = size
        self.frames, self.small = Held(count, sees_context(pose)), Held(count, sees_context(detector))
        self.boxes: list[TrackedBox] = []
        self.detected = self.posed = 0
        self.keypoints_px = np.empty((count, len(self.names), 2))
        self.confidence = np.empty((count, len(self.names)))

    def take(self, frames: np.ndarray, small: list[np.ndarray]) -> None:
        """Take the next frames of the film, (B, H, W, 3), and the same at the detector's size."""
        self.frames.extend(list(frames))
        self.small.extend(small)
        self._detect(frames.shape[1:3])
        ready = min(len(self.boxes), self.frames.ready)
        while ready - self.posed >= self.size or (self.posed < ready == self.count):
            self._predict(min(self.posed + self.size, ready))
        self.small.let_go(self.detected)
        self.frames.let_go(self.posed)

    def _detect(self, frame_hw: tuple[int, ...]) -> None:
        """Have the detector look at all frames that are ready, and place boxes as far as possible."""
        numbers = range(self.detected, self.small.ready)
        if not numbers:
            return
        images = as_images(self.detector, [self.small.window(number) for number in numbers])
        sizes = np.tile(np.array(frame_hw, dtype=float), (len(numbers), 1))
        for keypoints_frame_px, confidence in zip(*self.detector.predict_batch(images, sizes), strict=True):
            self.boxes += self.tracker.add(keypoints_frame_px, confidence)
        self.detected = numbers.stop
        if self.detected == self.count:
            self.boxes += self.tracker.finish()

    def _predict(self, stop: int) -> None:
        """Have the pose model look at the next frames, up to frame `stop`."""
        rows = slice(self.posed, stop)
        xywh_px = np.array([box.xywh_px for box in self.boxes[rows]])
        windows = [self.frames.window(number) for number in range(self.posed, stop)]
        self.keypoints_px[rows], self.confidence[rows] = predict_in_boxes(self.pose, windows, xywh_px)
        self.posed = stop

    def predictions(self) -> Predictions:
        """Return all keypoints, in frame pixels."""
        return Predictions(list(range(self.count)), self.names, self.keypoints_px, self.confidence)
