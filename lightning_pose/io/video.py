"""Frames of videos by their exact numbers, through one interface whatever decodes them.

Frames are RGB, (H, W, 3) uint8; frame 0 is the first one shown. How many there are, `io.video_facts` counts.
"""

from __future__ import annotations

import importlib.util
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lightning_pose.io.video_facts import VideoFacts, probe_video
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
FEW = 100  # frames that are decoded faster than sought past


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
            bad = start + len(frames)
            advice = "litpose predict --allow_truncated predicts those before"
            found = f"a damaged one: frame {bad} cannot be decoded ({advice})"
            raise UserError(Problem(where, f"a video of {self.frame_count} frames", found))
        return frames

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield all frames in turn, `size` at a time."""
        for start in range(0, self.frame_count, size):
            yield self.read(start, min(size, self.frame_count - start))

    def close(self) -> None:  # noqa: B027  (most have nothing to close)
        """Let go of the file."""


def open_video(
    path: Path | VideoFacts, library: VideoLibrary = VideoLibrary.auto, on_gpu: bool = False
) -> Video:
    """Open a video with the library that was asked for.

    Parameters
    ----------
    path : the file, or what `probe_video` told of it.
    library : auto takes PyAV: beside an H100 it was ten times as fast as DALI, which seeks for each reading.
    on_gpu : whether frames may be decoded on a GPU.

    Raises
    ------
    UserError
        If it is no video, or the library is missing or cannot decode it.
    """
    facts = path if isinstance(path, VideoFacts) else probe_video(path)
    if library is VideoLibrary.auto:
        library = VideoLibrary.pyav
    if not facts.is_whole and library is not VideoLibrary.pyav:
        logger.warning("%s: decoded by PyAV, as damaged videos are: others lose frames", facts.path)
        library = VideoLibrary.pyav
    if library is VideoLibrary.pyav:
        from lightning_pose.io.video_pyav import PyAvVideo

        return PyAvVideo(facts)
    return _by_opencv(facts) if library is VideoLibrary.opencv else _by_dali(facts, on_gpu)


def _by_opencv(facts: VideoFacts) -> Video:
    from lightning_pose.io.video_opencv import OpenCvVideo
    from lightning_pose.io.video_pyav import PyAvVideo

    video = PyAvVideo(facts)
    if video.is_interlaced:
        logger.warning("%s: decoded by PyAV, as interlaced videos are: OpenCV 5 shows black", facts.path)
        return video
    if video.is_mirrored:
        logger.warning("%s: decoded by PyAV, as mirrored videos are: OpenCV turns them", facts.path)
        return video
    video.close()
    return OpenCvVideo(facts)


def _by_dali(facts: VideoFacts, on_gpu: bool) -> Video:
    from lightning_pose.io.video_pyav import PyAvVideo

    if not _has_dali():
        found = "none (pip install lightning-pose-cropzoom[gpu], or dali.library: pyav)"
        raise UserError(Problem("dali.library", "NVIDIA DALI", found))
    video = PyAvVideo(facts)
    if video.is_turned or video.is_mirrored:
        logger.warning("%s: decoded by PyAV, as turned videos are: DALI leaves them as stored", facts.path)
        return video
    video.close()
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
            found = sorted(
                path
                for path in folder.iterdir()
                if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")  # what macOS leaves
            )
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
