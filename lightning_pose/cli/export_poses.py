"""Export predictions for analysis: a long table, or a netCDF file for the `movement` package.

litpose export_poses predictions.csv --output poses.nc --fps 60
litpose export_poses seed_0.csv seed_1.csv --names seed_0 seed_1 --output poses.parquet

The suffix of --output chooses: .parquet and .csv have a row for each keypoint of each frame (source, frame
or image, keypoint, x, y, likelihood, and what ensembles have besides). .nc is the data set of poses of
`movement` (xarray.open_dataset reads it): position and confidence by time, space, keypoints and individuals.
Several files are told apart by --names, as a column or, in .nc, as a dimension `source`; there they have to
be of the same frames.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from lightning_pose.types import Problem, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("predictions", type=Path, nargs="+", help="predictions CSVs")
    parser.add_argument("--output", type=Path, required=True, help="a file .parquet, .csv or .nc")
    parser.add_argument("--names", nargs="+", help="one for each file (default: its path)")
    parser.add_argument("--fps", type=float, help=".nc: frames a second; time is then in seconds")


def run(args: argparse.Namespace) -> None:
    """Export."""
    from lightning_pose.io.formats.long_table import SUFFIXES, write_long_table
    from lightning_pose.io.formats.movement_dataset import SUFFIX, write_movement

    names = args.names or [str(path) for path in args.predictions]
    problems = []
    if args.output.suffix not in (*SUFFIXES, SUFFIX):
        expected = " or ".join((*SUFFIXES, SUFFIX))
        problems.append(
            Problem(f"--output {args.output}", f"a name that ends in {expected}", args.output.suffix)
        )
    if len(names) != len(args.predictions) or len(set(names)) < len(names):
        expected = f"{len(args.predictions)} different names, one for each file"
        problems.append(Problem("--names", expected, ", ".join(names)))
    if args.fps is not None and not (math.isfinite(args.fps) and args.fps > 0):
        problems.append(Problem("--fps", "a number above 0", str(args.fps)))
    if problems:
        raise UserError(problems)
    sources = dict(zip(names, args.predictions, strict=True))
    if args.output.suffix == SUFFIX:
        write_movement(sources, args.output, args.fps)
    else:
        write_long_table(sources, args.output)
