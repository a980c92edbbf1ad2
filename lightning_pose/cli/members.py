"""Arguments of the commands that compare several models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_pose.evaluation.ood_input import Comparison, MemberFiles, MissingMember


def add_members(parser: argparse.ArgumentParser) -> None:
    """Add what says which models are compared, and on which labels.

    Without OOD labels, each member has one file.
    """
    parser.add_argument("--ind_labels", type=Path, required=True, help="labels CSV of the training animals")
    parser.add_argument("--ood_labels", type=Path, help="labels CSV of animals never seen, if there are any")
    parser.add_argument(
        "--member",
        nargs="+",
        action="append",
        required=True,
        metavar=("KIND SEED IND", "OOD"),
        help="one model: its kind, its seed, its predictions of the set or both in frame pixels (repeatable)",
    )
    parser.add_argument(
        "--missing",
        nargs=2,
        action="append",
        default=[],
        metavar=("KIND", "SEED"),
        help="one model that should be there and is not: the result names it (repeatable)",
    )


def parse_files(args: argparse.Namespace, option: str) -> list[tuple[str, str, Path, Path | None]]:
    """Return kind, seed, and the file of each labelled set, of each time that an option is given.

    Raises
    ------
    UserError
        If there are other files than one for each set.
    """
    from lightning_pose.types import Problem, UserError

    expected = "KIND SEED IND" if args.ood_labels is None else "KIND SEED IND OOD"
    found = getattr(args, option)
    for own in found:
        if len(own) != len(expected.split()):
            why = "without --ood_labels" if args.ood_labels is None else "with --ood_labels"
            raise UserError(Problem(f"--{option}", f"{expected} {why}", " ".join(own)))
    return [(kind, seed, *map(Path, files), *[None] * (2 - len(files))) for kind, seed, *files in found]


def parse_members(args: argparse.Namespace) -> tuple[list[MemberFiles], list[MissingMember]]:
    """Return the members that `add_members` asked for, and those that are missing."""
    from lightning_pose.evaluation.ood_input import MemberFiles, MissingMember

    members = [MemberFiles(*own) for own in parse_files(args, "member")]
    return members, [MissingMember(kind, seed) for kind, seed in args.missing]


def read_members(args: argparse.Namespace) -> tuple[list[Comparison], list[MissingMember]]:
    """Read what `add_members` asked for: the members on each set of frames, and those that are missing."""
    from lightning_pose.evaluation.ood_input import compare, with_missing
    from lightning_pose.evaluation.set_checks import check_members, check_sets
    from lightning_pose.io.labels import read_labels

    members, missing = parse_members(args)
    check_members(members)
    csvs = [path for path in (args.ind_labels, args.ood_labels) if path is not None]
    check_sets([(path, dict.fromkeys(read_labels(path).image_paths, b"")) for path in csvs])
    ind = compare("InD", args.ind_labels, members, held_out_only=True)
    found = [ind]
    if args.ood_labels is not None:
        found.append(compare("OOD", args.ood_labels, members, False, ind.keypoint_names))
    return [with_missing(own, missing) for own in found], missing
