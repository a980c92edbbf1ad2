"""Stretches of a video: as a user names them, and read ahead of whoever works on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lightning_pose.io.video import Video
from lightning_pose.io.video_facts import VideoFacts
from lightning_pose.types import Problem, UserError


def refuse_other_frames(csv: Path, index: Sequence[str | int], facts: VideoFacts) -> None:
    """Refuse rows in the order of frames of which the last is none of a video: they are another's.

    Raises
    ------
    UserError
        Naming the file and its last row.
    """
    last = index[-1]
    if not isinstance(last, int) or last >= facts.frame_count:
        raise UserError(Problem(str(csv), f"frames 0 to {facts.frame_count - 1} of {facts.path}", str(last)))


def parse_frames(text: str, facts: VideoFacts) -> range:
    """Return the frames that ``start:stop`` means; either may be missing.

    Raises
    ------
    UserError
        If it is malformed, or beyond the video.
    """
    expected = f"start:stop within 0:{facts.frame_count}, the frames of {facts.path}"
    start, colon, stop = text.partition(":")
    if not colon or not all(own.isdecimal() or not own for own in (start, stop)):
        raise UserError(Problem("--frames", expected, text))
    frames = range(int(start or 0), int(stop or facts.frame_count))
    if not 0 <= frames.start < frames.stop <= facts.frame_count:
        raise UserError(Problem("--frames", expected, text))
    return frames


def read_ahead(video: Video, frames: range, size: int) -> Iterator[np.ndarray]:
    """Yield consecutive frames, decoding `size` of them while those before are worked on."""
    with ThreadPoolExecutor(1) as reader:  # one, since frames come in order
        ahead = None
        for start in range(frames.start, frames.stop, size):
            current, ahead = ahead, reader.submit(video.read, start, min(size, frames.stop - start))
            if current is not None:
                yield current.result()
        if ahead is not None:
            yield ahead.result()
