"""Look at where output will go before hours are spent on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lightning_pose.types import Problem, UserError

MEGABYTE = 1e6


def check_destinations(paths: Iterable[Path], needed_bytes: float = 0) -> None:
    """Refuse files that could not be written, without leaving anything.

    Parameters
    ----------
    paths : the files to be.
    needed_bytes : room for all of them together; looked for on the disk of each.

    Raises
    ------
    UserError
        If one is a folder, or its folder cannot be made or written, or has too little room.
    """
    problems: dict[str, Problem] = {}  # one for each thing that is wrong, which may concern several files
    for path in paths:
        problem = _problem(path, needed_bytes)
        if problem is not None:
            problems.setdefault(problem.found, problem)
    if problems:
        raise UserError(problems.values())


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write a file that is read, by whatever path.

    Raises
    ------
    UserError
        Naming each.
    """
    read = {path.resolve(): path for path in inputs if path.is_file()}
    wrong = [path for path in outputs if path.resolve() in read]
    if wrong:
        expected = "a file to write other than those that are read"
        raise UserError(Problem(str(path), expected, str(read[path.resolve()])) for path in wrong)


def _problem(path: Path, needed_bytes: float) -> Problem | None:
    if path.is_dir():
        return Problem(str(path), "a file to write", "a folder")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        return Problem(str(path), "a folder to write into", f"{there}, a file")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Problem(str(path), "a folder that can be written", f"{there}: {error.strerror or error}")
    if free >= needed_bytes:
        return None
    return Problem(
        str(path),
        f"room for about {needed_bytes / MEGABYTE:.1f} MB",
        f"{free / MEGABYTE:.1f} MB on the disk of {there}",
    )
