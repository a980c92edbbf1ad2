"""Context frames: the neighbours in time of a labelled frame, found by the number in its file name.

Of a frame they are files beside it; of a crop they are one file, ``<name>.context.png``, with the four crops
below one another, earliest first. Where a neighbour is missing, the nearest frame stands for it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

logger = logging.getLogger(__name__)

OFFSETS = (-2, -1, 1, 2)


@dataclass(frozen=True)
class Source:
    """Where a frame's picture is: a file, or a part of one, counted from the top."""

    path: str
    part: int | None = None


def context_paths(image_path: str) -> list[str] | None:
    """Return the paths of the two frames before and after; None if the name has no or too low a number."""
    names = [_neighbour(image_path, offset) for offset in OFFSETS]
    return None if None in names else [name for name in names if name]


def existing_context(image_paths: Sequence[str], data_dir: Path) -> dict[str, list[str]]:
    """Return which of the two frames before and after each image are in its folder, which is listed once."""
    folders = {str(PurePosixPath(path).parent) for path in image_paths}
    there = {folder: _names_in(data_dir / folder) for folder in folders}
    found = {}
    for path in image_paths:
        names = there[str(PurePosixPath(path).parent)]
        neighbours = [_neighbour(path, offset) for offset in OFFSETS]
        found[path] = [own for own in neighbours if own and PurePosixPath(own).name in names]
    return found


def _names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def context_name(image_path: str) -> str:
    """Return the file name of the crops of an image's context frames."""
    return str(PurePosixPath(image_path).with_suffix(".context.png"))


def find_context(image_path: str, data_dir: Path) -> list[Source] | None:
    """Return where the five frames around an image are, itself in the middle; None if it has no context.

    Parameters
    ----------
    image_path : relative to `data_dir`.
    data_dir : folder of the frames, or of the crops.
    """
    stack = context_name(image_path)
    if (data_dir / stack).is_file():
        before, after = [Source(stack, 0), Source(stack, 1)], [Source(stack, 2), Source(stack, 3)]
        return [*before, Source(image_path), *after]
    there: dict[int, Source] = {0: Source(image_path)}
    for offset in OFFSETS:
        name = _neighbour(image_path, offset)
        if name is not None and (data_dir / name).is_file():
            there[offset] = Source(name)
    if len(there) == 1:
        return None
    return [there[_nearest(offset, there)] for offset in range(OFFSETS[0], OFFSETS[-1] + 1)]


def context_of_all(image_paths: list[str], data_dir: Path) -> list[list[Source]]:
    """Return where the five frames around each image are; say how many have to stand for a missing one."""
    found = [find_context(path, data_dir) for path in image_paths]
    sources = [
        own or [Source(path)] * (len(OFFSETS) + 1) for own, path in zip(found, image_paths, strict=True)
    ]
    short = [path for path, own in zip(image_paths, sources, strict=True) if len(set(own)) < len(own)]
    if short:
        logger.warning(
            "%d of %d images lack some context frames, such as %s: the nearest frame stands for each",
            len(short), len(image_paths), short[0],
        )  # fmt: skip
    return sources


def _neighbour(image_path: str, offset: int) -> str | None:
    match = re.match(r"(.*?)(\d+)(\.\w+)$", image_path)
    if not match or int(match[2]) + offset < 0:
        return None
    return f"{match[1]}{int(match[2]) + offset:0{len(match[2])}d}{match[3]}"


def _nearest(offset: int, there: dict[int, Source]) -> int:
    """Return the nearest offset that is there; of two as near, the one towards the middle."""
    return min(there, key=lambda other: (abs(other - offset), abs(other)))
