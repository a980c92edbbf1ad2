"""What a command reads and writes, noted where it happens, so that it can be told afterwards.

Nothing is noted unless somebody listens: libraries may call these functions at any time. Processes that a
command starts note nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FileStamp = tuple[int, int, int]  # inode, bytes, time of change
RUNTIME_FACT = "runtime of "  # and a model's folder: the name of the fact that tells what computed it
BOXES_FACT = "boxes of frames"  # CSVs that were given
LOOKS_FACT = "detect_every"  # frames of a video from one look of a detector to the next


@dataclass
class Trace:
    """What was noted.

    Parameters
    ----------
    read : files, each once.
    written : files, and by what each is known from one that another command puts in its place.
    images : folders, each with the paths of images relative to it.
    facts : anything else by name: device, threads, seeds.
    """

    read: set[Path] = field(default_factory=set)
    written: dict[Path, FileStamp] = field(default_factory=dict)
    images: dict[Path, set[str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def is_in_place(self, path: Path) -> bool:
        """Say whether a file is the one that was written, rather than another command's."""
        try:
            return _stamp(path.stat()) == self.written[path]
        except OSError:
            return False


_listening: list[Trace] = []


@contextmanager
def traced() -> Iterator[Trace]:
    """Listen to what the block does."""
    trace = Trace()
    _listening.append(trace)
    try:
        yield trace
    finally:
        _listening.remove(trace)


def note_read(path: str | Path) -> None:
    """Note that a file was read."""
    for trace in _listening:
        trace.read.add(Path(path))


def note_written(path: str | Path, own: os.stat_result) -> None:
    """Note that a file was put in place."""
    for trace in _listening:
        trace.written[Path(path)] = _stamp(own)


def _stamp(own: os.stat_result) -> FileStamp:
    return own.st_ino, own.st_size, own.st_mtime_ns


def is_own_work(path: str | Path) -> bool:
    """Say whether a file was put in place while somebody listened."""
    return any(Path(path) in trace.written for trace in _listening)


def note_images(folder: str | Path, names: Iterable[str]) -> None:
    """Note that images of a folder were read; there may be too many to note each as a file."""
    for trace in _listening:
        trace.images.setdefault(Path(folder), set()).update(names)


def note_fact(name: str, value: Any) -> None:
    """Note anything that JSON can hold."""
    for trace in _listening:
        trace.facts[name] = value
