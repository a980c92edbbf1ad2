"""Sum up a sweep: pixel error of each kind of model, mean and standard error over its seeds.

Errors are in frame pixels: of InD frames that no member was trained on, and of OOD frames. A member's error
is its mean (and its median) over all labelled keypoints. The table is printed too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.members import add_members


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_members(parser)
    parser.add_argument("--output", type=Path, required=True, help="CSV to write: a row a set and kind")
    parser.add_argument("--output_text", type=Path, help="write the printed table here too")


def run(args: argparse.Namespace) -> None:
    """Compute, write, print."""
    from lightning_pose.cli.members import read_members
    from lightning_pose.evaluation.sweep_table import as_text, cells, write_sweep_table
    from lightning_pose.io.files import write_atomic

    comparisons, missing = read_members(args)
    rows = [cell for comparison in comparisons for cell in cells(comparison, missing)]
    write_sweep_table(rows, args.output)
    text = as_text(rows)
    if args.output_text:
        with write_atomic(args.output_text) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(text, end="")
