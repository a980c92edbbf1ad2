"""Say when a file is not what a command wrote, by the checksum in ``provenance.json`` beside it.

People may edit tables and settings by hand, so that commands warn of them. Snakemake looks at all results
when it starts, has those made again that are others, and keeps what was there beside them; its jobs refuse
what changed since.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning_pose.io.files import read_json, sha256
from lightning_pose.io.put_back import Stamp, stamp_of
from lightning_pose.traces import is_own_work
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

PROVENANCE_FILE = "provenance.json"
REFUSED_IN = "LITPOSE_REFUSE_CHANGED"  # environment variable: a folder whose changed files are refused
SET_ASIDE = re.compile(r"(.+)\.changed\d*")

Stamps = dict[str, Stamp | None]  # by the name of a file, None = it is gone


def check_unchanged(path: str | Path) -> None:
    """Log a warning if a file differs from what ``provenance.json`` tells of it; a job of the DAG refuses it.

    Nothing is said of files that it does not tell of, or that the running command wrote itself.

    Raises
    ------
    UserError
        If it differs, and lies in the folder that the environment variable names.
    """
    path = Path(path)
    told = _told(path.parent).get(path.name, {}).get("sha256")
    if told is None or is_own_work(path) or not path.is_file() or sha256(path) == told:
        return
    have_looked_into(path)
    refused_in = os.environ.get(REFUSED_IN)
    if refused_in and path.resolve().is_relative_to(Path(refused_in).resolve()):
        expected = f"what the command wrote that {PROVENANCE_FILE} tells of"
        found = "a changed or damaged file (snakemake makes it again when it is started anew)"
        raise UserError(Problem(str(path), expected, found))
    logger.warning(
        "%s: not what the command wrote that %s tells of: changed by hand, or damaged (then make it again)",
        path, PROVENANCE_FILE,
    )  # fmt: skip


def is_as_written(path: Path) -> bool:
    """Say whether ``provenance.json`` tells of a file, and it is as its command wrote it."""
    return _told(path.parent).get(path.name, {}).get("sha256") == sha256(path)


def have_looked_into(path: str | Path) -> None:
    """Give a file that turned out damaged the present time, by which Snakemake finds it when it starts."""
    with suppress(OSError):
        os.utime(path)


def changed_files(folder: Path, seen: Mapping[str, Stamps], now: dict[str, Stamps]) -> list[Path]:
    """Return the files of a folder that differ from what ``provenance.json`` tells of them.

    Only those are read whose size and times are not as they were when they were seen whole.

    Parameters
    ----------
    folder : a folder with a ``provenance.json``.
    seen : what was found whole the last time, by folder.
    now : the same of this time; the folder is added.
    """
    key, known = str(folder), seen.get(str(folder), {})
    if PROVENANCE_FILE in known and all(stamp_of(folder / name) == own for name, own in known.items()):
        now[key] = dict(known)
        return []
    whole: Stamps = {PROVENANCE_FILE: stamp_of(folder / PROVENANCE_FILE)}
    changed = []
    for name, told in _told(folder).items():
        path = folder / name
        stamp = stamp_of(path)
        if stamp is None or stamp == known.get(name) or _is_whole(path, stamp, told):
            whole[name] = stamp
        else:
            changed.append(path)
    if changed:
        del whole[PROVENANCE_FILE]  # to be looked into again
    now[key] = whole
    return changed


def _is_whole(path: Path, stamp: Stamp, told: Mapping[str, Any]) -> bool:
    return stamp[0] == told.get("bytes", stamp[0]) and sha256(path) == told["sha256"]


def not_replaced(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the files of a folder that were set aside, and that no others have come for."""
    there = set(names)
    found = {match[1] for name in there if (match := SET_ASIDE.fullmatch(name))}
    return [folder / name for name in sorted(found - there)]


def set_aside(path: str | Path) -> Path:
    """Rename a file, so that another may take its place; return its new path, which no file had.

    Two commands must not do so at once.
    """
    path = Path(path)
    number, kept = 1, path.with_name(f"{path.name}.changed")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.changed{number}")
    os.rename(path, kept)
    return kept


def _told(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what ``provenance.json`` tells of files; not of large videos, which have no checksum of all."""
    content = read_json(folder / PROVENANCE_FILE)
    files = content.get("files") if isinstance(content, dict) else None
    known = files.items() if isinstance(files, dict) else ()
    told = {name: own for name, own in known if isinstance(own, dict)}
    return {name: own for name, own in told.items() if isinstance(own.get("sha256"), str)}
