"""Plot pixel error against the ensemble's standard deviation, on held-out InD and on OOD frames."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
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
    parser.add_argument("--metrics", type=Path, required=True, help="CSV to write: every number of the plots")
    parser.add_argument("--output", type=Path, required=True, help="PDF to write")
    parser.add_argument("--colors", nargs="*", default=[], metavar="KIND=#HEX", help="colours of kinds")
    parser.add_argument("--figures_dir", type=Path, help="write each page as PNG here too")


def run(args: argparse.Namespace) -> None:
    """Compute, write the table, draw."""
    import re

    from lightning_pose.evaluation.ood_input import MemberFiles, compare
    from lightning_pose.evaluation.ood_table import write_table
    from lightning_pose.evaluation.plots import draw_ood_plots
    from lightning_pose.types import Problem, UserError

    wrong = [text for text in args.colors if not re.fullmatch(r"[^=]+=#[0-9a-fA-F]{6}", text)]
    if wrong:
        raise UserError(Problem("--colors", "KIND=#rrggbb", wrong[0]))
    members = [MemberFiles(kind, seed, Path(ind), Path(ood)) for kind, seed, ind, ood in args.member]
    ind = compare("InD", args.ind_labels, members, held_out_only=True)
    ood = compare("OOD", args.ood_labels, members, False, ind.keypoint_names)
    comparisons = [ind, ood]
    write_table(comparisons, args.metrics)
    colors = dict(text.split("=", 1) for text in args.colors)
    draw_ood_plots(comparisons, args.output, colors, args.figures_dir)
