"""Compute the pixel error of each keypoint of predictions against labels of the same images."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("predictions", type=Path, help="predictions CSV")
    parser.add_argument("labels", type=Path, help="labels CSV")
    parser.add_argument(
        "--output", type=Path, help="default: <predictions>_pixel_error.csv beside the predictions"
    )


def run(args: argparse.Namespace) -> None:
    """Score."""
    import logging

    from lightning_pose.evaluation.metrics import pixel_error, summarize
    from lightning_pose.evaluation.ood_input import aligned_keypoints
    from lightning_pose.io.labels import read_labels
    from lightning_pose.io.predictions import read_predictions, write_pixel_errors

    labels, predictions = read_labels(args.labels), read_predictions(args.predictions)
    keypoints_px, splits = aligned_keypoints(predictions, labels, args.predictions, args.labels)
    errors = pixel_error(keypoints_px, labels.keypoints_px)
    output = args.output or args.predictions.with_name(f"{args.predictions.stem}_pixel_error.csv")
    write_pixel_errors(output, labels.image_paths, labels.keypoint_names, errors, splits)
    numbers = summarize(errors)
    logging.getLogger(__name__).info(
        "%s: mean %.2f px, median %.2f px, 90th percentile %.2f px over %d labelled keypoints",
        args.predictions, numbers["mean"], numbers["median"], numbers["p90"], numbers["n"],
    )  # fmt: skip
