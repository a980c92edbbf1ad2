"""Tell by the provenance beside stretches of a video whether they came about in the same way.

Files are told by their checksums and by what they are for, never by where they lie: stretches come from
several machines. What is not known of a stretch is not held against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_pose.io.model_dir import WEIGHTS_FILE
from lightning_pose.io.provenance import checksum, read_provenance
from lightning_pose.io.video import SUFFIXES
from lightning_pose.traces import BOXES_FACT, LOOKS_FACT, RUNTIME_FACT
from lightning_pose.types import Problem, UserError

VIDEO, BOXES, LOOKS, RUNTIMES = "video", "boxes", "detect_every", "runtimes"
ONE_OF_SEVERAL = (VIDEO, BOXES)  # a command reads those of all its videos: one in common will do
ID_LENGTH = 12  # characters of a checksum in messages

Parts = dict[str, str]  # what tells it -> how it reads in a message
Origin = dict[str, Parts]


def check_origins(paths: Sequence[Path], video: Path | None = None) -> None:
    """Refuse stretches of which is known that videos, models, settings or runtimes differ.

    Parameters
    ----------
    paths : the files.
    video : that they should be of; None = any.

    Raises
    ------
    UserError
        Naming each that differs from one before it, and the first thing that differs.
    """
    folders = {folder: read_provenance(folder) for folder in {path.parent for path in paths}}
    known: dict[str, tuple[Path, Parts]] = {}
    if video is not None:
        known[VIDEO] = video, dict([_file(str(video), checksum(video))])
    problems = []
    for path in paths:
        origin = _origin(folders[path.parent], path)
        problem = next((found for role in origin if (found := _differs(role, path, origin, known))), None)
        problems += [problem] if problem else []
        for role, own in origin.items():
            first, parts = known.get(role, (path, own))
            common = {key: text for key, text in parts.items() if key in own}
            known[role] = first, common if role in ONE_OF_SEVERAL and common else parts
    if problems:
        raise UserError(problems)


def _origin(provenance: Mapping[str, dict[str, Any]], path: Path) -> Origin:
    """Return what is known of a file, by what it is for; nothing of one that changed since."""
    told = provenance["files"].get(path.name, {})
    if {key: value for key, value in told.items() if key != "run"} != checksum(path):
        return {}
    run = provenance["runs"][told["run"]]
    found: Origin = {BOXES: {}} if BOXES_FACT in run else {}
    for name, digest in run["inputs"].items():
        role = BOXES if name in run.get(BOXES_FACT, ()) else _role(name)
        if role is not None:
            found.setdefault(role, {}).update([_file(name, digest)])
    if LOOKS_FACT in run:
        found[LOOKS] = {str(run[LOOKS_FACT]): str(run[LOOKS_FACT])}
    runtimes = _runtimes(run)
    order = (VIDEO, WEIGHTS_FILE)  # what says most about a difference comes first
    found = {role: found[role] for role in sorted(found, key=lambda role: (role not in order, role))}
    return {**found, RUNTIMES: runtimes} if runtimes else found


def _role(name: str) -> str | None:
    """Return what a file is for; None where each stretch has its own."""
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return VIDEO
    return None if suffix == ".csv" else Path(name).name


def _file(name: str, digest: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells a file, and how it reads."""
    own = next((str(value) for key, value in digest.items() if key != "bytes"), "")
    return own, f"{name} ({own[:ID_LENGTH]})"


def _runtimes(run: Mapping[str, Any]) -> Parts:
    """Return what computed each network, whatever its folder's name."""
    weights = {
        Path(name).parent.name: _file(name, digest)[0]
        for name, digest in run["inputs"].items()
        if Path(name).name == WEIGHTS_FILE
    }
    facts = {key.removeprefix(RUNTIME_FACT): run[key] for key in sorted(run) if key.startswith(RUNTIME_FACT)}
    return {f"{weights.get(name, name)} {value}": f"{name}: {value}" for name, value in facts.items()}


def _differs(
    role: str, path: Path, origin: Origin, known: Mapping[str, tuple[Path, Parts]]
) -> Problem | None:
    """Return in what a file differs from one before it."""
    first, parts = known.get(role, (path, origin[role]))
    own = origin[role]
    is_same = parts.keys() == own.keys() or (role in ONE_OF_SEVERAL and not parts.keys().isdisjoint(own))
    if is_same:
        return None
    expected, found = _others(parts, own), _others(own, parts)
    if role == RUNTIMES:
        text = f"networks computed as in {first} ({expected})"
    else:
        text = f"the {role} {expected}" if first.suffix != ".csv" else f"the {role} of {first}: {expected}"
    return Problem(str(path), text, found)


def _others(parts: Parts, than: Parts) -> str:
    return ", ".join(text for key, text in parts.items() if key not in than) or "none given"
