"""Say when a file is not what a command wrote, by the checksum in ``provenance.json`` beside it.

People may edit tables and settings by hand, so that this is a warning; files that nobody edits refuse what is
not theirs by checksums of their own.
"""

from __future__ import annotations

import logging
from pathlib import Path

from lightning_pose.io.files import read_json, sha256
from lightning_pose.traces import is_own_work

logger = logging.getLogger(__name__)

PROVENANCE_FILE = "provenance.json"


def warn_if_changed(path: str | Path) -> None:
    """Log a warning if a file differs from what ``provenance.json`` tells of it.

    Nothing is said of files that it does not tell of, or that the running command wrote itself.
    """
    path = Path(path)
    told = _digests(path.parent).get(path.name)
    if told is None or is_own_work(path) or not path.is_file() or sha256(path) == told:
        return
    logger.warning(
        "%s: not what the command wrote that %s tells of: changed by hand, or damaged (then make it again)",
        path, PROVENANCE_FILE,
    )  # fmt: skip


def changed_files(folder: Path) -> list[Path]:
    """Return the files of a folder that differ from what ``provenance.json`` tells of them.

    Only those are looked into that are newer than it, since it is written last.
    """
    digests = _digests(folder)
    if not digests:
        return []
    written = (folder / PROVENANCE_FILE).stat().st_mtime_ns
    there = {folder / name: told for name, told in digests.items() if (folder / name).is_file()}
    return [
        path for path, told in there.items() if path.stat().st_mtime_ns > written and sha256(path) != told
    ]


def _digests(folder: Path) -> dict[str, str]:
    """Return the checksums that ``provenance.json`` tells of; those of large videos' ends are none."""
    content = read_json(folder / PROVENANCE_FILE)
    files = content.get("files") if isinstance(content, dict) else None
    known = files.items() if isinstance(files, dict) else ()
    told = {name: own.get("sha256") for name, own in known if isinstance(own, dict)}
    return {name: digest for name, digest in told.items() if isinstance(digest, str)}
