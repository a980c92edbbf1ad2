"""Say how wrong each keypoint of a video probably is, and which frames are most worth labelling.

litpose expected_error calibration.json ensemble.csv --output expected_error.csv
    --plot expected_error.pdf --video video.mp4 --label_next new_labels --labels data/CollectedData.csv

The table has the expected pixel error of each keypoint and both ends of its 90 % interval. The plot shows the
trajectories in bands up to the upper end. --label_next writes the frames of the largest expected error as
images, no two from the same second, and a labels CSV with empty cells for Lightning Pose or DeepLabCut.
Frames that the CSVs of --labels have already, as <video>/img<number>.png, are left out.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("calibration", type=Path, help="calibration.json of `litpose calibrate`")
    parser.add_argument("predictions", type=Path, help="an ensemble's predictions CSV, with variances")
    parser.add_argument("--output", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--plot", type=Path, nargs="+", default=[], help="trajectories to draw (.pdf, .png)")
    parser.add_argument("--video", type=Path, help="the video, for --label_next")
    parser.add_argument("--label_next", type=Path, metavar="DIR", help="folder for the frames to label next")
    parser.add_argument(
        "--labels", type=Path, nargs="+", default=[], metavar="CSV", help="labels that there are already"
    )
    parser.add_argument("--count", type=int, default=20, help="how many frames (default 20)")
    parser.add_argument("--apart_s", type=float, default=1.0, help="seconds between them (default 1)")


def run(args: argparse.Namespace) -> None:
    """Apply."""
    from lightning_pose.evaluation import calibration_files as files
    from lightning_pose.types import Problem, UserError

    if args.label_next is not None and args.video is None:
        raise UserError(Problem("--label_next", "--video too", "none"))
    if args.labels and args.label_next is None:
        raise UserError(Problem("--labels", "--label_next too", "none"))
    if args.count < 1 or not 0 <= args.apart_s < math.inf:
        raise UserError(
            Problem("--count, --apart_s", "1 or more, 0 or more", f"{args.count}, {args.apart_s}")
        )
    if args.plot:
        from lightning_pose.evaluation.plots import check_format
        from lightning_pose.evaluation.trajectory_plot import draw_trajectories

        for path in args.plot:
            check_format(path)
    calibration = files.read_calibration(args.calibration)
    predictions, expected = files.expected_errors(args.predictions, calibration)
    if args.plot and not isinstance(predictions.index[0], int):
        raise UserError(Problem(f"{args.predictions}, for --plot", "frames of a video", "image paths"))
    if args.label_next is not None:
        from lightning_pose.evaluation.label_next import export_frames

        export_frames(
            predictions,
            expected,
            args.predictions,
            args.video,
            args.label_next,
            args.count,
            args.apart_s,
            args.labels,
        )
    files.write_expected_errors(predictions, expected, calibration.model, args.output)
    if args.plot:
        draw_trajectories(predictions, calibration.model.interval(expected)[1], args.plot)
