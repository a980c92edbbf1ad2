"""Plot pixel error against the ensemble's standard deviation, on held-out InD and on OOD frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.members import add_members


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_members(parser)
    parser.add_argument("--metrics", type=Path, required=True, help="CSV to write: every number of the plots")
    parser.add_argument("--output", type=Path, required=True, help="PDF to write")
    parser.add_argument("--colors", nargs="*", default=[], metavar="KIND=#HEX", help="colours of kinds")
    parser.add_argument("--figures_dir", type=Path, help="write each page as PDF, PNG and CSV here too")


def run(args: argparse.Namespace) -> None:
    """Compute, write the table, draw."""
    from lightning_pose.cli.members import read_members
    from lightning_pose.evaluation.colors import parse_colors
    from lightning_pose.evaluation.ood_table import write_table
    from lightning_pose.evaluation.plots import draw_ood_plots

    colors = parse_colors(args.colors)
    comparisons, _ = read_members(args)
    write_table(comparisons, args.metrics, args.figures_dir)
    draw_ood_plots(comparisons, args.output, colors, args.figures_dir)
