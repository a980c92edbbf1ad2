"""Join several models' predictions on the same frames to one predictions CSV.

litpose ensemble run_0/predictions.csv run_1/predictions.csv run_2/predictions.csv --output predictions.csv

The result is in the pixels of the members, which all have to be the same: for pose models take
remapped_predictions.csv. Its likelihood is the mean of theirs. x_ens_var and y_ens_var are the variance of
x and y over the members, in squared pixels, empty where fewer than two predicted the keypoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.settings import Average


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("predictions", type=Path, nargs="+", help="predictions CSVs, one a member")
    parser.add_argument("--output", type=Path, required=True, help="the predictions CSV to write")
    parser.add_argument(
        "--average",
        choices=[own.value for own in Average],
        default=Average.mean.value,
        help="of x and of y over the members (default: mean)",
    )
    parser.add_argument(
        "--no_variances", action="store_true", help="write x, y and likelihood only, as other tools expect"
    )


def run(args: argparse.Namespace) -> None:
    """Join."""
    from lightning_pose.inference.ensemble_run import ensemble_files

    ensemble_files(args.predictions, args.output, Average(args.average), not args.no_variances)
