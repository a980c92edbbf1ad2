"""Learn from labelled frames how wrong an ensemble's keypoints are, by deviation, confidence and PCA error.

litpose calibrate --set InD labels.csv ind_ensemble.csv --set OOD labels_new.csv ood_ensemble.csv
    --output calibration.json

The predictions are those of `litpose ensemble`, with variances, in frame pixels. Frames that a member was
trained on, or chose its weights by, tell what poses look like: the PCA error is how far a predicted one lies
from those. All other frames tell how wrong predictions are. The share of errors on held-out frames that lie
in their 90 % interval is printed and written for each set. `litpose expected_error` applies the calibration
to videos.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--set",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "LABELS", "PREDICTIONS"),
        help="labelled frames and an ensemble's predictions on them (repeatable)",
    )
    parser.add_argument("--output", type=Path, required=True, help="the calibration to write (.json)")


def run(args: argparse.Namespace) -> None:
    """Calibrate."""
    from lightning_pose.evaluation.calibration_files import LabelledSet, calibrate_files

    sets = [LabelledSet(name, Path(labels), Path(predictions)) for name, labels, predictions in args.set]
    calibrate_files(sets, args.output)
