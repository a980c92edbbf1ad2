"""Say whether crops can be trusted: a table, a plot, and the worst frames in one picture.

litpose crop_qa --bbox bbox.csv --labels labels.csv --predictions preds.csv --data_dir DIR --output qa.csv
litpose crop_qa --bbox bbox.csv --predictions predictions.csv --video video.mp4 --output qa.csv

Looked at are keypoints outside their box or within 5 % of its border (labels where there are any, predictions
elsewhere), the size of boxes against the span of the keypoints, the predictions' confidence, and boxes that
follow from other frames (carried) or are whole frames (fallback). Predictions and labels are in frame pixels.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from lightning_pose.evaluation.crop_qa import CropQa

FORMATS = (".pdf", ".png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--bbox", type=Path, required=True, help="bounding-box CSV")
    parser.add_argument("--labels", type=Path, help="labels CSV of the frames")
    parser.add_argument(
        "--predictions", type=Path, help="predictions CSV; of labelled frames, the detector's"
    )
    parser.add_argument("--output", type=Path, required=True, help="the table to write, a CSV")
    parser.add_argument(
        "--plot", type=Path, nargs="+", help="plots to write, .pdf or .png (default: both beside the table)"
    )
    parser.add_argument("--data_dir", type=Path, help="folder of the images, to draw the worst frames")
    parser.add_argument("--video", type=Path, help="the video, to draw the worst frames")
    parser.add_argument("--sheet", type=Path, help="PNG of the worst frames (default: <table>_worst.png)")
    parser.add_argument("--worst", type=int, default=12, help="how many frames are drawn (default 12)")
    parser.add_argument("--crop_ratio", type=float, help="that the boxes were placed by, for the plot")
    parser.add_argument(
        "--min_confidence", type=float, default=0.05, help="predictions below don't count (default 0.05)"
    )


def run(args: argparse.Namespace) -> None:
    """Look, write, draw."""
    import logging

    from lightning_pose.evaluation.crop_qa_input import read_crop_qa
    from lightning_pose.evaluation.crop_qa_plot import draw_crop_qa
    from lightning_pose.evaluation.crop_qa_table import summarize_crop_qa, write_crop_qa

    plots = args.plot or [args.output.with_suffix(suffix) for suffix in FORMATS]
    _check(args, plots)
    qa = read_crop_qa(args.bbox, args.labels, args.predictions, args.min_confidence)
    read_frame = _frame_reader(args, qa)
    if read_frame is not None:
        from lightning_pose.evaluation.crop_qa_sheet import draw_worst_frames

        sheet = args.sheet or args.output.with_name(f"{args.output.stem}_worst.png")
        draw_worst_frames(qa, read_frame, args.worst, sheet)
    draw_crop_qa(qa, f"Boxes of {args.labels or args.video or args.predictions}", plots, args.crop_ratio)
    write_crop_qa(qa, args.output)
    logging.getLogger(__name__).info("%s: %s", args.bbox, summarize_crop_qa(qa))


def _check(args: argparse.Namespace, plots: list[Path]) -> None:
    from lightning_pose.types import Problem, UserError

    for option, path, ending in (("--output", args.output, ".csv"), ("--sheet", args.sheet, ".png")):
        if path is not None and path.suffix.lower() != ending:
            raise UserError(Problem(option, f"a file named *{ending}", str(path)))
    wrong = [path for path in plots if path.suffix.lower() not in FORMATS]
    if wrong:
        raise UserError(Problem("--plot", "files .pdf or .png", str(wrong[0])))
    if args.data_dir and args.video:
        raise UserError(Problem("--data_dir, --video", "one of the two", "both"))
    if args.sheet and not args.data_dir and not args.video:
        raise UserError(Problem("--sheet", "--data_dir or --video, to draw frames of", "none"))
    if args.worst < 1:
        raise UserError(Problem("--worst", "1 or more", str(args.worst)))
    if not 0 <= args.min_confidence <= 1:
        raise UserError(Problem("--min_confidence", "a number from 0 to 1", str(args.min_confidence)))
    if args.crop_ratio is not None and not 0 < args.crop_ratio < math.inf:
        raise UserError(Problem("--crop_ratio", "a number above 0", str(args.crop_ratio)))


def _frame_reader(args: argparse.Namespace, qa: CropQa) -> Callable[[int], np.ndarray] | None:
    """Return what reads the frame of a row; None if no images are at hand."""
    if args.data_dir:
        from lightning_pose.io.images import read_image, refuse_outside

        refuse_outside([str(name) for name in qa.names], args.data_dir)
        return lambda row: read_image(args.data_dir / str(qa.names[row]))
    if not args.video:
        return None
    from lightning_pose.io.video import open_video
    from lightning_pose.io.video_facts import probe_video
    from lightning_pose.io.video_stretch import refuse_other_frames

    facts = probe_video(args.video, allow_truncated=True)
    refuse_other_frames(args.bbox, qa.names, facts)
    video = open_video(facts)
    return lambda row: video.read(int(qa.names[row]), 1)[0]
