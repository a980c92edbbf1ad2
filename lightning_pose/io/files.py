"""Whole files or none: output is written to a temporary neighbour and renamed into place."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning_pose.traces import note_written
from lightning_pose.types import Problem, UserError

CHUNK_BYTES = 1 << 20
SEAL = "checksum"  # key of a JSON file: of everything else in it
STEM_LENGTH = 40  # characters of a name that its temporary neighbour has too: file systems take 255 bytes


@contextmanager
def write_atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary neighbour of `path`; rename it into place if the block succeeds.

    The neighbour keeps the suffix, which some writers choose the format by. Missing folders are made.

    Raises
    ------
    UserError
        If writing fails halfway, as on a full disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    own = secrets.token_hex(6)  # other machines and containers have processes of the same number
    temporary = path.with_name(f".{path.stem[:STEM_LENGTH]}.{own}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
        note_written(path)
    except OSError as error:
        if error.filename is not None:  # of opening some file, which the error names
            raise
        raise UserError(Problem(str(path), "a disk that takes it", error.strerror or str(error))) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change a folder's files, where the file system can lock folders.

    The folder is made; if it stays empty, it is removed again.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if is_new:
            with suppress(OSError):  # it has files by now
                folder.rmdir()
        os.close(handle)


def write_json(content: Any, path: str | Path) -> None:
    """Write JSON with sorted keys."""
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON; None if there is no such file or it is damaged."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON shall hold, with a checksum of it, by which a flipped bit is found."""
    return {**content, SEAL: _digest(content)}


def unseal(content: Any) -> dict[str, Any] | None:
    """Return what was sealed, None if it was damaged since; JSON of before there were seals has none."""
    if not isinstance(content, dict):
        return None
    rest = {key: value for key, value in content.items() if key != SEAL}
    return rest if content.get(SEAL, _digest(rest)) == _digest(rest) else None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256(path: str | Path) -> str:
    """Return the checksum of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
