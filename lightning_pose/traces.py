"""What a command reads and writes, noted where it happens, so that it can be told afterwards.

Nothing is noted unless somebody listens: libraries may call these functions at any time. Processes that a
command starts note nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUNTIME_FACT = "runtime of "  # and a model's folder: the name of the fact that tells what computed it


@dataclass
class Trace:
    """What was noted.

    Parameters
    ----------
    read, written : files, each once.
    images : folders, each with the paths of images relative to it.
    facts : anything else by name: device, threads, seeds.
    """

    read: set[Path] = field(default_factory=set)
    written: set[Path] = field(default_factory=set)
    images: dict[Path, set[str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


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


def note_written(path: str | Path) -> None:
    """Note that a file was put in place."""
    for trace in _listening:
        trace.written.add(Path(path))


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
