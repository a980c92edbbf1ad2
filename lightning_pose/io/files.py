"""Whole files or none: output is written to a temporary neighbour and renamed into place."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning_pose.traces import note_written
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
SEAL = "checksum"  # key of a JSON file: of everything else in it
MOST_REMOVALS = 100  # of a lock's folder, one after the other, by other commands
STEM_LENGTH = 40  # characters of a name that its temporary neighbour has too: file systems take 255 bytes


class _Held(threading.local):
    """Locks of this thread, and whether another command was waited for."""

    def __init__(self) -> None:
        self.locks: dict[Path, bool] = {}


_held = _Held()


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
        stamp = temporary.stat()
        os.replace(temporary, path)
        note_written(path, stamp)
    except OSError as error:
        if error.filename is not None:  # of opening some file, which the error names
            raise
        raise UserError(Problem(str(path), "a disk that takes it", error.strerror or str(error))) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone(path: str | Path) -> Iterator[bool]:
    """Be the only command that writes a file or a folder, and what belongs to it; wait while another does.

    The lock is a hidden neighbour, which is gone afterwards; one that a killed command left locks nothing.
    Where none can be made, or the file system knows no locks, all goes on without. Folders that are made for
    it, and are empty in the end, are removed again.

    Yields
    ------
    bool
        Whether another command was waited for.
    """
    path = Path(os.path.realpath(path))
    lock = path.with_name(f".{path.name[:STEM_LENGTH]}.lock")
    if lock in _held.locks:
        yield _held.locks[lock]
        return
    made = [folder for folder in lock.parents if not folder.exists()]
    handle, waited = _take(lock, path)
    _held.locks[lock] = waited
    try:
        yield waited
    finally:
        del _held.locks[lock]
        if handle is not None:
            lock.unlink(missing_ok=True)
            os.close(handle)
        with suppress(OSError):  # they have files by now
            for folder in made:
                folder.rmdir()


def _take(lock: Path, path: Path) -> tuple[int | None, bool]:
    """Return the open file that holds a lock, None if there can be none; and whether it was waited for."""
    waited, missing = False, 0
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # who held it removed the folder, or no file can ever be made there
            missing += 1
            if missing == MOST_REMOVALS:
                return None, waited
            continue
        except OSError:
            return None, waited
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waited:
                logger.warning("waiting for another command that writes %s", path)
            waited = True
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            os.close(handle)
            return None, waited
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(lock)):
                return handle, waited
        os.close(handle)  # who held it removed it


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
