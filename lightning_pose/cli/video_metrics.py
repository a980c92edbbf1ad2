"""Measure a video's predictions without labels, and write the results beside them.

PREDICTIONS_temporal_norm.csv: how far each keypoint moved since the frame before, in frame pixels.
PREDICTIONS_pca_singleview_error.csv, PREDICTIONS_pca_multiview_error.csv: how far a pose is from those of the
training, in frame pixels (single view: about its centroid, as Lightning Pose's centering_method: mean would);
with --model_dir, if its settings data.columns_for_singleview_pca and data.mirrored_column_matches name
keypoints and views. PREDICTIONS_metrics.csv: means and percentiles of these and of confidence, by keypoint.

`litpose predict` does this by itself for a whole video, unless --output or --frames says where or what.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "predictions", type=Path, nargs="+", help="predictions CSVs of videos, in frame pixels"
    )
    parser.add_argument(
        "--model_dir", type=Path, help="the folder of the model that predicted, for PCA errors"
    )
    parser.add_argument(
        "--overrides",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings over the model's own, such as data.columns_for_singleview_pca=[0,1,2]",
    )


def run(args: argparse.Namespace) -> None:
    """Measure."""
    import logging

    from lightning_pose.evaluation.video_metrics import measure_video, write_video_metrics
    from lightning_pose.io.files import alone
    from lightning_pose.io.predictions import read_predictions

    found = []
    for path in args.predictions:
        predictions = read_predictions(path)
        metrics = measure_video(predictions, path)
        if args.model_dir is not None:
            from lightning_pose.evaluation.pca_errors import pca_errors, remove_earlier

            metrics |= pca_errors(predictions, args.model_dir, args.overrides)
        found.append((predictions, metrics, path))
    for predictions, metrics, path in found:
        with alone(path):
            if args.model_dir is not None:
                remove_earlier(path, metrics)
            files = write_video_metrics(predictions, metrics, path)
        for written in files:
            logging.getLogger(__name__).info("wrote %s", written)
