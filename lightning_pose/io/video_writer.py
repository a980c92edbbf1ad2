"""Write H.264 videos (MP4, yuv420p) with the exact times of their frames; whole, or not at all.

Frames are RGB, (H, W, 3) uint8. They are encoded in a thread of their own while the next ones are made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.machine import job_cores
from lightning_pose.types import Problem, UserError

TICKS = 90_000  # a second: whole numbers for 24, 25, 29.97, 30, 50, 60, 100 and 120 frames/s
WAITING = 8  # frames that wait for the encoder at most
# Cb and Cr of the means of four pixels' R, G, B, in the range of video (ITU-R BT.601-7, 2.5.3)
CHROMA = np.array(
    [[-0.148223, -0.290993, 0.439216, 128], [0.439216, -0.367788, -0.071427, 128]], dtype=np.float32
)
BT601, LIMITED_RANGE = 6, 1  # as H.264 numbers them (ITU-T H.273)


@dataclass(frozen=True)
class Encoding:
    """How hard the encoder tries.

    Parameters
    ----------
    preset : of x264, from ultrafast to veryslow.
    crf : constant rate factor; 0 loses nothing, 51 nearly everything.
    """

    preset: str
    crf: int


TO_WATCH = Encoding("ultrafast", 20)
TO_PREDICT_ON = Encoding("veryfast", 10)  # what networks see: larger, and closer to the source


class VideoWriter:
    """A video that is being written; `write_video` makes one.

    Parameters
    ----------
    file : an open, seekable file.
    frame_hw : height and width of the frames. Odd ones grow by their last row or column, as yuv420p needs.
    times_s : array, (N,), seconds
        When each frame is shown.
    encoding : how hard the encoder tries.
    """

    def __init__(
        self, file: BinaryIO, frame_hw: Sequence[int], times_s: np.ndarray, encoding: Encoding
    ) -> None:
        import av

        self.frame_hw = int(frame_hw[0]), int(frame_hw[1])
        self._ticks, self._durations = _ticks(times_s)
        self._container: Any = av.open(
            file,
            "w",
            format="mp4",
            options={"movie_timescale": str(TICKS)},  # else ends are cut to 1 ms
        )
        self._stream = self._container.add_stream(
            "libx264",
            rate=Fraction(TICKS, int(np.median(self._durations))),
            options={"preset": encoding.preset, "crf": str(encoding.crf)},
        )
        context = self._stream.codec_context
        context.height, context.width = (side + side % 2 for side in self.frame_hw)
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, TICKS)
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        context.thread_count = job_cores()
        self._yuv = np.empty((context.height * 3 // 2, context.width), np.uint8)
        self._thread = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()
        self._written = 0

    def write(self, frame: np.ndarray) -> None:
        """Hand over the next frame, (H, W, 3) uint8, RGB; it must not change any more.

        Raises
        ------
        OSError
            If an earlier one could not be written.
        """
        if frame.shape != (*self.frame_hw, 3) or frame.dtype != np.uint8:
            raise ValueError(f"a frame of {self.frame_hw} is (H, W, 3) uint8, not {frame.shape}")
        while len(self._pending) >= WAITING:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._encode, frame, self._written))
        self._written += 1

    def finish(self) -> None:
        """Wait until all frames are in the file, and close it."""
        if self._written != len(self._ticks):
            raise ValueError(f"{self._written} frames for {len(self._ticks)} times")
        while self._pending:
            self._pending.popleft().result()
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Let go of everything, whatever the state."""
        self._thread.shutdown(cancel_futures=True)
        with suppress(Exception):  # a container that was not finished complains when it is closed
            self._container.close()

    def _encode(self, frame: np.ndarray, number: int) -> None:
        import av

        picture = av.VideoFrame.from_ndarray(_as_yuv(frame, self._yuv), format="yuv420p")
        picture.pts, picture.time_base = int(self._ticks[number]), Fraction(1, TICKS)
        picture.duration = int(self._durations[number])
        self._container.mux(self._stream.encode(picture))


@contextmanager
def write_video(
    path: Path, frame_hw: Sequence[int], times_s: np.ndarray, encoding: Encoding = TO_WATCH
) -> Iterator[VideoWriter]:
    """Yield the writer of a video, which appears at `path` once the block has handed over all its frames.

    Parameters
    ----------
    path : the file, whose folder is made.
    frame_hw, times_s, encoding : see `VideoWriter`.

    Raises
    ------
    UserError
        If the folder cannot be written or the disk is full.
    """
    try:
        with write_atomic(path) as temporary, open(temporary, "wb") as file:
            writer = VideoWriter(file, frame_hw, times_s, encoding)
            try:
                yield writer
                writer.finish()
            finally:
                writer.abandon()
    except OSError as error:
        expected = "a folder that can be written, and room for a video"
        raise UserError(Problem(str(path), expected, error.strerror or str(error))) from None


def _ticks(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return when each frame is shown, from 0 on, and for how long; no two at the same time."""
    rounded = np.round((np.asarray(times_s, float) - times_s[0]) * TICKS).astype(np.int64)
    counted = np.arange(len(rounded))
    ticks = np.maximum.accumulate(rounded - counted) + counted
    steps = np.diff(ticks)
    last = int(np.median(steps)) if len(steps) else TICKS // 30
    return ticks, np.append(steps, last)


def _as_yuv(frame: np.ndarray, yuv: np.ndarray) -> np.ndarray:
    """Fill `yuv`, (3 H / 2, W), with a frame's planes.

    OpenCV's own conversion takes one pixel's chroma for that of four, which frays coloured edges.
    """
    import cv2

    height, width = yuv.shape[0] * 2 // 3, yuv.shape[1]
    if frame.shape[:2] != (height, width):
        bottom, right = height - frame.shape[0], width - frame.shape[1]
        frame = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420, dst=yuv)
    half = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    planes = yuv[height:].reshape(2, height // 2, width // 2)
    for plane, chroma in zip(planes, cv2.split(cv2.transform(half, CHROMA)), strict=True):
        plane[:] = chroma
    return yuv
