"""Predict keypoints on labelled frames.

Writes MODEL_DIR/image_preds/<csv>/predictions.csv in pixels of the images of the CSV, and pixel errors
beside it. For a pose model's crops, whose boxes lie beside the CSV, remapped_predictions.csv holds the same
in frame pixels. With --detector_mode, the boxes (bbox.csv), the crops and their labels (cropped_<csv>) too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_overrides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model_dir", type=Path, help="a trained model's folder")
    parser.add_argument(
        "input_path", type=Path, nargs="+", help="labels CSVs; a bare name is found in the data folder too"
    )
    parser.add_argument(
        "--detector_mode", action="store_true", help="write bounding boxes and cropped images too"
    )
    parser.add_argument("--data_dir", type=Path, help="folder that image paths are relative to")
    parser.add_argument("--output", type=Path, help="write predictions here, and nothing else (one input)")
    parser.add_argument(
        "--overwrite", action="store_true", help="accepted: predictions are always written anew"
    )
    parser.add_argument("--skip_viz", action="store_true", help="accepted: no pictures are drawn")
    add_overrides(parser)


def run(args: argparse.Namespace) -> None:
    """Predict."""
    from lightning_pose.inference.run import predict
    from lightning_pose.types import Problem, UserError

    if args.output and len(args.input_path) > 1:
        raise UserError(Problem("--output", "one input", f"{len(args.input_path)} inputs"))
    if args.output and args.detector_mode:
        raise UserError(Problem("--output", "none with --detector_mode, which writes several files", "both"))
    predict(
        model_dir=args.model_dir,
        inputs=args.input_path,
        data_dir=args.data_dir,
        output=args.output,
        detector_mode=args.detector_mode,
        overrides=args.overrides,
    )
