"""Nothing counts twice: checks of the members, and of the sets of labelled frames, that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning_pose.evaluation.ood_input import MemberFiles, check_kinds
from lightning_pose.types import Problem, UserError


def check_members(members: Sequence[MemberFiles]) -> None:
    """Refuse members that are named twice, or share a file.

    Raises
    ------
    UserError
        Naming each.
    """
    check_kinds([member.kind for member in members], "--member")
    files = [
        path
        for own in members
        for path in {path.resolve() for path in (own.ind_csv, own.ood_csv) if path is not None}
    ]
    problems = [
        Problem("--member", "each kind and seed once", f"{name} again")
        for name in repeated([f"{member.kind} {member.seed}" for member in members])
    ]
    problems += [
        Problem("--member", "each file once", f"{name} again")
        for name in repeated([str(path) for path in files])
    ]
    if problems:
        raise UserError(problems)


def check_sets(sets: Sequence[tuple[Path, Mapping[str, bytes]]]) -> None:
    """Refuse images that several sets have.

    Parameters
    ----------
    sets : the labels CSV of each, and the paths of its images with what tells those of one path apart: labels
        of sets of several data folders, nothing where there is one.

    Raises
    ------
    UserError
        Naming the first such image of each two sets.
    """
    problems = []
    for number, (csv, images) in enumerate(sets):
        for other_csv, others in sets[:number]:
            shared = sorted(path for path in images if others.get(path) == images[path])
            problems += [Problem(str(csv), f"other images than {other_csv}", shared[0])] if shared else []
    if problems:
        raise UserError(problems)


def repeated(names: Sequence[str]) -> list[str]:
    """Return the names that are there more than once, each once."""
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
