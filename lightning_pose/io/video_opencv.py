"""Videos decoded by OpenCV, by setting (`dali.library: opencv`)."""

from __future__ import annotations

import numpy as np

from lightning_pose.io.video import FEW, Video
from lightning_pose.io.video_facts import VideoFacts, ffmpeg_name, how_to_convert
from lightning_pose.types import Problem, UserError


class OpenCvVideo(Video):
    """A video decoded by OpenCV; a seek is checked by the frame's time, and done by counting if it missed."""

    def __init__(self, facts: VideoFacts) -> None:
        super().__init__(facts)
        self._open()

    def _open(self) -> None:
        import cv2

        self._capture = cv2.VideoCapture(ffmpeg_name(self.facts.path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened() or not self._capture.grab():
            expected = "a video that OpenCV decodes, or dali.library: pyav"
            found = f"codec {self.facts.codec}, or a damaged file ({how_to_convert(self.facts.path)})"
            raise UserError(Problem(str(self.facts.path), expected, found))
        self._next, self._is_grabbed = 0, True

    def frame_hw(self) -> tuple[int, int]:
        """Return height and width of the frames as they are read, turned as the file says."""
        import cv2

        return tuple(
            int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
        )  # type: ignore[return-value]

    def _read(self, start: int, count: int) -> np.ndarray:
        import cv2

        frames = np.empty((count, *self.frame_hw(), 3), np.uint8)
        if count:
            self._go_to(start)
        for row in range(count):
            is_there = self._is_grabbed or self._capture.grab()
            frame = self._capture.retrieve()[1] if is_there else None
            if frame is None:
                return frames[:row]
            cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=frames[row])
            self._next, self._is_grabbed = self._next + 1, False
        return frames

    def _go_to(self, number: int) -> None:
        if not self._next <= number <= self._next + FEW:
            if self._seek(number):
                return
            self._capture.release()
            self._open()
        while self._next < number and (self._is_grabbed or self._capture.grab()):
            self._next, self._is_grabbed = self._next + 1, False

    def _seek(self, number: int) -> bool:
        """Grab a frame far from here; say whether its time is that of the frame wanted."""
        import cv2

        if not self.facts.is_timed or not len(self.facts.keys) or self.frame_count == 1:
            return False
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        if not self._capture.grab():
            return False
        found = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        steps = np.diff(self.facts.times_s)
        if abs(found - self.facts.times_s[number]) > steps.min() / 4:
            return False
        self._next, self._is_grabbed = number, True
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()
