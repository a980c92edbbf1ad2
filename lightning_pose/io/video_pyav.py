"""Videos decoded by FFmpeg through PyAV: every codec that FFmpeg has, and each frame checked by its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lightning_pose.io.video import FEW, Video
from lightning_pose.io.video_facts import VideoFacts, ffmpeg_name, how_to_convert, limit_frames
from lightning_pose.machine import job_cores
from lightning_pose.types import Problem, UserError, first_line

MOST_THREADS = 8  # each holds a frame
QUARTER_DEG = 90


class PyAvVideo(Video):
    """A video decoded by PyAV, on several threads.

    A frame's number is how many were decoded before it. Where the file tells times, each frame must come at
    its own: one that is missing is noticed, and a seek ends at the very frame that was wanted.

    Raises
    ------
    UserError
        If not even the first frame can be decoded.
    """

    def __init__(self, facts: VideoFacts) -> None:
        super().__init__(facts)
        from av.video.reformatter import VideoReformatter

        self._painter = VideoReformatter()
        self._near = np.diff(facts.ticks).min() / 2 if facts.frame_count > 1 else 0.5
        self._threads = min(job_cores(), MOST_THREADS)
        self._open()
        if self._ahead is None:
            found = f"codec {facts.codec}, not decoded here ({self._error or 'no picture'})"
            expected = f"a video that FFmpeg decodes ({how_to_convert(facts.path)} converts it)"
            raise UserError(Problem(str(facts.path), expected, found))
        self.is_interlaced = bool(self._ahead.interlaced_frame)
        self._size = self._ahead.width, self._ahead.height
        self._quarters = round(self._ahead.rotation / QUARTER_DEG) % 4
        self.is_mirrored = _is_mirrored(self._ahead)
        self.is_turned = self._quarters != 0

    def _open(self) -> None:
        import av

        self._error = ""
        self._container = av.open(ffmpeg_name(self.facts.path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = self._threads
        limit_frames(self._stream.codec_context)
        self._decoded = self._decode()
        self._next, self._ahead = 0, next(self._decoded, None)

    def _decode(self) -> Iterator[Any]:
        """Yield frames in the order shown, up to the first that cannot be decoded."""
        has_begun = False
        for packet in self._packets():
            frames = self._frames_of(packet)
            if frames is None and has_begun:
                yield from self._frames_of(None) or ()
                return
            has_begun = has_begun or bool(frames)  # before, frames may need some that are not in the file
            yield from frames or ()

    def _packets(self) -> Iterator[Any]:
        """Yield packets, the last one to get what is held back."""
        import av

        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError as error:
            self._error = first_line(error)
            yield None

    def _frames_of(self, packet: Any | None) -> list[Any] | None:
        """Return the frames that a packet finishes, or that are held back (None); None if that fails."""
        import av

        try:
            return self._stream.codec_context.decode(None) if packet is None else packet.decode()
        except av.FFmpegError as error:
            self._error = self._error or first_line(error)
            return None

    def frame_hw(self) -> tuple[int, int]:
        """Return height and width of the frames as they are read, turned as the file says."""
        width, height = self._size
        return (width, height) if self._quarters % 2 else (height, width)

    def _read(self, start: int, count: int) -> np.ndarray:
        frames = np.empty((count, *self.frame_hw(), 3), np.uint8)
        if count:
            self._go_to(start)
        for row in range(count):
            frame = self._take()
            if frame is None:
                return frames[:row]
            frames[row] = self._paint(frame)
        return frames

    def count_decodable(self) -> int:
        """Decode all frames once; return how many come before the first that cannot be decoded."""
        self._go_to(0)
        while self._next < self.frame_count and self._take() is not None:
            pass
        return self._next

    def _take(self) -> Any | None:
        """Return the next frame, None if it is missing.

        An error on one of several threads takes whole frames of the others along: then one goes on alone.
        """
        frame = self._try()
        if frame is None and self._threads > 1:
            self._threads, number = 1, self._next
            self._container.close()
            self._open()
            self._go_to(number)
            frame = self._try()
        return frame

    def _try(self) -> Any | None:
        frame, self._ahead = next(self._decoded, None) if self._ahead is None else self._ahead, None
        if frame is None or frame.is_corrupt or not self._is_timely(frame):
            self._decoded = iter(())  # what comes after has no sure number
            return None
        self._next += 1
        return frame

    def _is_timely(self, frame: Any) -> bool:
        if not self.facts.is_timed:
            return True
        return frame.pts is not None and bool(abs(frame.pts - self.facts.ticks[self._next]) <= self._near)

    def _paint(self, frame: Any) -> np.ndarray:
        """Return a frame in RGB, (H, W, 3) uint8."""
        width, height = self._size
        rgb = self._painter.reformat(frame, width, height, "rgb24", threads=1).planes[0]
        lines = np.frombuffer(memoryview(rgb), np.uint8).reshape(height, rgb.line_size)
        picture = lines[:, : 3 * width].reshape(height, width, 3)
        return np.rot90(picture[::-1] if self.is_mirrored else picture, self._quarters)

    def _go_to(self, number: int) -> None:
        key = self._key_before(number)
        is_behind = self._next <= number and (key <= self._next or number <= self._next + FEW)
        if not is_behind and not (key and self._seek(key, number)):
            self._container.close()
            self._open()
        while self._next < number and self._take() is not None:
            pass

    def _key_before(self, number: int) -> int:
        """Return the last frame up to `number` that needs none before it."""
        place = int(np.searchsorted(self.facts.keys, number, side="right"))
        return int(self.facts.keys[place - 1]) if place and self.facts.is_timed else 0

    def _seek(self, key: int, number: int) -> bool:
        """Go to a frame that needs none before it; say whether decoding goes on there, or before `number`."""
        self._container.seek(int(self.facts.ticks[key]), stream=self._stream)
        self._decoded = self._decode()
        self._ahead = next(self._decoded, None)
        if self._ahead is None or self._ahead.pts is None:
            return False
        self._next = int(np.abs(self.facts.ticks - self._ahead.pts).argmin())
        return self._next <= number and self._is_timely(self._ahead)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


def _is_mirrored(frame: Any) -> bool:
    """Say whether a file asks to mirror its frames: top and bottom change places, then the frame is turned.

    The turn alone tells where rows point to; that columns do not follow is in the file's matrix.
    """
    told = frame.side_data.get("DISPLAYMATRIX")
    if told is None:
        return False
    (a, b, _), (c, d, _), _ = np.frombuffer(bytes(told), np.int32).reshape(3, 3).astype(float)
    return bool(a * d < b * c)
