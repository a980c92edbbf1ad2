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
    content = read_json(path.parent / PROVENANCE_FILE)
    files = content.get("files") if isinstance(content, dict) else None
    known = files.get(path.name) if isinstance(files, dict) else None
    told = known.get("sha256") if isinstance(known, dict) else None
    if told is None or is_own_work(path) or not path.is_file() or sha256(path) == told:
        return
    logger.warning(
        "%s: not what the command wrote that %s tells of: changed by hand, or damaged (then make it again)",
        path, PROVENANCE_FILE,
    )  # fmt: skip
