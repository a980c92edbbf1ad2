"""Arguments of the commands that compare several models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_pose.evaluation.ood_input import Comparison, MemberFiles, MissingMember


def add_members(parser: argparse.ArgumentParser) -> None:
    """Add what says which models are compared, and on which labels."""
    parser.add_argument("--ind_labels", type=Path, required=True, help="labels CSV of the training animals")
    parser.add_argument("--ood_labels", type=Path, required=True, help="labels CSV of animals never seen")
    parser.add_argument(
        "--member",
        nargs=4,
        action="append",
        required=True,
        metavar=("KIND", "SEED", "IND", "OOD"),
        help="one model: its kind, its seed, its predictions of both sets in frame pixels (repeatable)",
    )
    parser.add_argument(
        "--missing",
        nargs=2,
        action="append",
        default=[],
        metavar=("KIND", "SEED"),
        help="one model that should be there and is not: the result names it (repeatable)",
    )


def parse_members(args: argparse.Namespace) -> tuple[list[MemberFiles], list[MissingMember]]:
    """Return the members that `add_members` asked for, and those that are missing."""
    from lightning_pose.evaluation.ood_input import MemberFiles, MissingMember

    members = [MemberFiles(kind, seed, Path(ind), Path(ood)) for kind, seed, ind, ood in args.member]
    return members, [MissingMember(kind, seed) for kind, seed in args.missing]


def read_members(args: argparse.Namespace) -> tuple[list[Comparison], list[MissingMember]]:
    """Read what `add_members` asked for: the members on InD and on OOD frames, and those that are missing."""
    from lightning_pose.evaluation.ood_input import compare, with_missing

    members, missing = parse_members(args)
    ind = compare("InD", args.ind_labels, members, held_out_only=True)
    ood = compare("OOD", args.ood_labels, members, False, ind.keypoint_names)
    return [with_missing(own, missing) for own in (ind, ood)], missing
