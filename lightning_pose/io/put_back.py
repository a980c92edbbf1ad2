"""Files that were put back with their old times, which nobody sees who asks for times. Standard library only.

A file's change time (ctime) tells of it: no program can set that back. A copy of a project has new ones, too,
so that contents decide.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from lightning_pose.io.files import read_json, sha256, write_json

logger = logging.getLogger(__name__)

Stamp = list[int]  # bytes, time of change of the content, and of anything about the file


def renew_put_back(digests: Mapping[str, str | None], index: Path) -> list[str]:
    """Give files the present time that are others than they were, whatever their times say.

    Parameters
    ----------
    digests : files, each with the SHA-256 that it had; None = whoever asks will look into it.
    index : JSON file of what was seen of each the last time; it is written anew.

    Returns
    -------
    list of str
        The files that have another time now.
    """
    known = _seen(index)
    stamps = {path: stamp for path in digests if (stamp := stamp_of(path)) is not None}
    renewed = []
    for path in [path for path, stamp in stamps.items() if known.get(path, stamp) != stamp]:
        if digests[path] is not None and sha256(path) == digests[path]:
            continue
        if _renew(path):
            stamps[path] = stamp_of(path) or stamps[path]
            renewed.append(path)
        else:
            stamps[path] = known[path]  # to be told of again
    if stamps != known:
        _keep(stamps, index)
    return renewed


def renew_replaced(paths: Iterable[str], index: Path) -> list[str]:
    """Give files the present time whose size or time of change is another than it was, an older one too.

    Unlike in `renew_put_back`, links and permissions do not count: a video may be too large to read.

    Parameters
    ----------
    paths : files; those that are not there are passed over.
    index : JSON file of what was seen of files the last time; what it tells of others stays.

    Returns
    -------
    list of str
        The files that have another time now.
    """
    known = _seen(index)
    now = {path: stamp[:2] for path in paths if (stamp := stamp_of(path)) is not None}
    changed = [path for path, own in now.items() if known.get(path, own) != own]
    renewed = [path for path in changed if _renew(path)]
    for path in set(changed) - set(renewed):
        del now[path]  # to be told of again
    now |= {path: stamp[:2] for path in renewed if (stamp := stamp_of(path)) is not None}
    if any(known.get(path) != own for path, own in now.items()):
        _keep({**known, **now}, index)
    return renewed


def _seen(index: Path) -> dict[str, Stamp]:
    """Return what was seen of files the last time."""
    seen = read_json(index)
    return seen if isinstance(seen, dict) else {}


def _keep(stamps: Mapping[str, Stamp], index: Path) -> None:
    with suppress(OSError):  # of a folder that may only be read
        write_json(stamps, index)


def _renew(path: str) -> bool:
    """Give a file the present time; say whether that could be done."""
    try:
        os.utime(path)
    except OSError as error:
        logger.warning("%s: changed, and it cannot be given the present time: %s", path, error.strerror)
        return False
    return True


def stamp_of(path: str | Path) -> Stamp | None:
    """Return a file's size and times, None if there is none."""
    try:
        own = os.stat(path)
    except (OSError, ValueError):  # the latter of names that no file can have
        return None
    return [own.st_size, own.st_mtime_ns, own.st_ctime_ns]
