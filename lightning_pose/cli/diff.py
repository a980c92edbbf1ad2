"""Compare two folders of results: settings, code, versions, inputs, weights, and the numbers.

litpose diff results/chickadee/single_0 results/chickadee/single_1

Prints a line for each difference: distances of predictions and pixel errors keypoint by keypoint. Paths of
commands and times do not count. Exits 0 if there is none, 1 if there are any, 2 if a folder cannot be read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("first", type=Path, help="a folder of results: a model's, its predictions, or all")
    parser.add_argument("second", type=Path, help="another")


def run(args: argparse.Namespace) -> int:
    """Print the differences; return 1 if there are any."""
    from lightning_pose.evaluation.diff import compare_folders

    differences = compare_folders(args.first, args.second)
    for difference in differences:
        print(difference)
    return DIFFERENT if differences else 0
