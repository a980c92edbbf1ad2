"""Frames of videos by their exact numbers, through one interface whatever decodes them.

Frames are RGB, (H, W, 3) uint8; frame 0 is the first one shown. How many there are is counted in the file,
packet by packet, since headers lie.
"""

from __future__ import annotations

import importlib.util
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.settings import VideoLibrary
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError, first_line

logger = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
COUNTED = 16  # frames decoded at a time to count them
FEW = 100  # frames that are decoded faster than sought past
UNEVEN = 0.5  # of the usual time between frames: more deviation is a variable frame rate


@dataclass(frozen=True)
class VideoFacts:
    """What a video file holds, found without decoding it.

    Parameters
    ----------
    path : Path
    codec : str
    height, width : pixels, as stored
    times_s : array, (N,), seconds
        When each frame is shown, the first one at 0.
    stated : number of frames that the header tells; 0 = it tells none.
    """

    path: Path
    codec: str
    height: int
    width: int
    times_s: np.ndarray
    stated: int

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return len(self.times_s)


def probe_video(path: Path, allow_truncated: bool = False) -> VideoFacts:
    """Count the frames of a video, and read its codec and size.

    Parameters
    ----------
    path : the file.
    allow_truncated : whether it may have fewer frames than its header says.

    Raises
    ------
    UserError
        If the file is missing, empty, no video or truncated.
    """
    import av

    path = Path(path)
    note_read(path)
    if not path.is_file():
        raise UserError(Problem(str(path), "a video", "a folder" if path.is_dir() else "no such file"))
    if path.stat().st_size == 0:
        raise UserError(Problem(str(path), "a video", "an empty file"))
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(Problem(str(path), "a video", "a file without pictures"))
            facts = _facts(path, container)
    except (av.FFmpegError, ValueError) as error:
        found = f"unreadable or truncated ({str(error).splitlines()[0]})"
        raise UserError(Problem(str(path), "a video", found)) from None
    if facts.frame_count == 0:
        raise UserError(Problem(str(path), "a video", "no frames"))
    if facts.frame_count < facts.stated and not allow_truncated:
        expected = f"{facts.stated} frames, as its header says"
        found = f"{facts.frame_count} whole ones: truncated or damaged (--allow_truncated predicts these)"
        raise UserError(Problem(f"{path} ({facts.codec})", expected, found))
    return facts


def stated_frames(path: Path) -> int:
    """Return how many frames the header of a video states, fast and perhaps wrong; 0 = it states none.

    Raises
    ------
    UserError
        If the file is missing or no video.
    """
    import av

    if not Path(path).is_file():
        raise UserError(Problem(str(path), "a video", "no such file"))
    try:
        with av.open(str(path)) as container:
            return container.streams.video[0].frames
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise UserError(Problem(str(path), "a video", f"unreadable ({first_line(error)})")) from None


def _facts(path: Path, container: Any) -> VideoFacts:
    stream = container.streams.video[0]
    context, base = stream.codec_context, float(stream.time_base)
    ticks, size = [], path.stat().st_size
    for packet in container.demux(stream):
        tick = packet.dts if packet.pts is None else packet.pts
        is_whole = packet.pos is None or packet.pos < 0 or packet.pos + packet.size <= size
        if packet.size and tick is not None and not packet.is_corrupt and not packet.is_discard and is_whole:
            ticks.append(tick)
    times_s = np.sort(np.array(ticks, dtype=float)) * base
    times_s = times_s - times_s[:1]
    name = getattr(context, "name", None) or "unknown codec"
    return VideoFacts(path, name, context.height, context.width, times_s, stream.frames)


def uneven_frames(facts: VideoFacts) -> Problem | None:
    """Return what is wrong with a video whose frames are not evenly spaced in time, None if they are."""
    steps = np.diff(facts.times_s)
    if not len(steps):
        return None
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) <= UNEVEN * usual:
        return None
    expected = "a constant frame rate (ffmpeg -i VIDEO -vsync cfr makes it one)"
    found = f"{1000 * steps[worst]:.0f} ms from frame {worst} to the next, else {1000 * usual:.0f} ms"
    return Problem(f"{facts.path} ({facts.codec})", expected, found)


class Video(ABC):
    """An open video.

    Parameters
    ----------
    facts : of the file.
    """

    def __init__(self, facts: VideoFacts) -> None:
        self.facts = facts

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return self.facts.frame_count

    @abstractmethod
    def frame_hw(self) -> tuple[int, int]:
        """Return height and width of the frames as they are read."""

    @abstractmethod
    def _read(self, start: int, count: int) -> np.ndarray:
        """Return the frames from `start` on; as many as could be decoded."""

    def read(self, start: int, count: int) -> np.ndarray:
        """Return `count` frames from frame `start` on, (count, H, W, 3) uint8.

        Raises
        ------
        UserError
            If some of them cannot be decoded.
        """
        if not 0 <= start <= start + count <= self.frame_count:
            raise ValueError(f"frames {start} to {start + count - 1} of {self.frame_count}")
        frames = self._read(start, count)
        if len(frames) < count:
            where = f"{self.facts.path} ({self.facts.codec})"
            found = f"a damaged one: frame {start + len(frames)} cannot be decoded"
            raise UserError(Problem(where, f"a video of {self.frame_count} frames", found))
        return frames

    def count_decodable(self) -> int:
        """Decode all frames once; return how many come before the first that cannot be decoded."""
        for start in range(0, self.frame_count, COUNTED):
            wanted = min(COUNTED, self.frame_count - start)
            there = len(self._read(start, wanted))
            if there < wanted:
                return start + there
        return self.frame_count

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield all frames in turn, `size` at a time."""
        for start in range(0, self.frame_count, size):
            yield self.read(start, min(size, self.frame_count - start))

    def close(self) -> None:  # noqa: B027  (most have nothing to close)
        """Let go of the file."""


class OpenCvVideo(Video):
    """A video decoded by OpenCV; a seek is checked by the frame's time, and done by counting if it missed."""

    def __init__(self, facts: VideoFacts) -> None:
        super().__init__(facts)
        self._open()

    def _open(self) -> None:
        import cv2

        self._capture = cv2.VideoCapture(str(self.facts.path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            found = f"codec {self.facts.codec}, or a damaged file"
            raise UserError(Problem(str(self.facts.path), "a video that OpenCV decodes", found))
        self._next, self._is_grabbed = 0, False

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

        self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        if not self._capture.grab():
            return False
        found = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        steps = np.diff(self.facts.times_s)
        if abs(found - self.facts.times_s[number]) > steps.min() / 4:
            return False
        self._next, self._is_grabbed = number, True
        return True

    def count_decodable(self) -> int:
        """Decode all frames once; return how many come before the first that is missing.

        A decoder passes over a damaged frame in silence: the next one then comes at another time.
        """
        import cv2

        self._capture.release()
        self._open()
        first, near = 0.0, (np.diff(self.facts.times_s).min() if self.frame_count > 1 else 1.0) / 2
        for number, expected in enumerate(self.facts.times_s):
            if not self._capture.grab():
                return number
            found = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = found if number == 0 else first
            if abs(found - first - expected) > near:
                return number
            self._next = number + 1
        return self.frame_count

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


def open_video(
    path: Path | VideoFacts, library: VideoLibrary = VideoLibrary.auto, on_gpu: bool = False
) -> Video:
    """Open a video with the library that was asked for.

    Parameters
    ----------
    path : the file, or what `probe_video` told of it.
    library : auto takes DALI if there is a GPU and DALI is installed, else OpenCV.
    on_gpu : whether frames may be decoded on a GPU.

    Raises
    ------
    UserError
        If it is no video, or the library is missing or cannot decode it.
    """
    facts = path if isinstance(path, VideoFacts) else probe_video(path)
    has_dali = _has_dali()
    if library is VideoLibrary.opencv or (library is VideoLibrary.auto and not (on_gpu and has_dali)):
        return OpenCvVideo(facts)
    if not has_dali:
        found = "none (pip install lightning-pose-cropzoom[gpu], or dali.library: opencv)"
        raise UserError(Problem("dali.library", "NVIDIA DALI", found))
    from lightning_pose.io.video_dali import DaliVideo

    return DaliVideo(facts, on_gpu)


def _has_dali() -> bool:
    names = ("nvidia", "nvidia.dali")
    return all(importlib.util.find_spec(name) is not None for name in names)


def find_videos(video_dir: str | Sequence[str], data_dir: Path, key: str = "data.video_dir") -> list[Path]:
    """Return the video files that a setting names.

    Parameters
    ----------
    video_dir : a folder, or files; by path, or relative to `data_dir`.
    data_dir : the data folder.
    key : the setting, for messages.

    Raises
    ------
    UserError
        If one is missing, the folder has none, or two have the same name.
    """
    if isinstance(video_dir, str):
        folder = _here_or_in(video_dir, data_dir)
        if folder.is_dir():
            found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(Problem(key, f"videos ({', '.join(SUFFIXES)}) in {folder}", "none"))
            return found
    listed = [video_dir] if isinstance(video_dir, str) else list(video_dir)
    paths = [_here_or_in(name, data_dir) for name in listed]
    problems = [
        Problem(key, f"a video, here or in {data_dir}", f"{name}, which does not exist")
        for name, path in zip(listed, paths, strict=True)
        if not path.exists()
    ]
    names = [path.name for path in paths]
    problems += [
        Problem(key, "videos of different names", f"{name} twice")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if problems:
        raise UserError(problems)
    return paths


def _here_or_in(name: str, data_dir: Path) -> Path:
    path, inside = Path(name), Path(data_dir) / name
    return inside if inside.exists() and not path.exists() else path
