"""Convert labels and predictions of other tools, and back: `litpose convert TOOL SOURCE OUTPUT`.

TOOL is whose files SOURCE is: dlc (a DeepLabCut project of one animal, or a .csv or .h5 table of one), sleap
(.slp, .pkg.slp), coco (keypoints in JSON) or litpose (a labels or predictions CSV). Without --to, OUTPUT is a
data folder (CollectedData.csv, images under labeled-data/, videos under videos/) or a .csv file; --to dlc
takes a project folder, .csv or .h5, --to sleap .slp or .pkg.slp (with the images inside), --to coco .json.

Of several animals in a frame the one with most keypoints is kept; what else is left is said. HDF5 files of
DeepLabCut can hold code that runs when they are read: take them from people you trust.
"""

from __future__ import annotations

import argparse
from pathlib import Path

TOOLS = ("dlc", "sleap", "coco", "litpose")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tool", choices=TOOLS, help="whose files SOURCE is")
    parser.add_argument("source", type=Path, help="the tool's project folder or file")
    parser.add_argument("output", type=Path, help="the folder or file to write")
    parser.add_argument("--to", choices=TOOLS, default="litpose", help="for whom (default: litpose)")
    parser.add_argument("--ood_start", type=int, help="first row, from 0, of the out-of-distribution set")
    parser.add_argument(
        "--image_dir", type=Path, help="where the images lie (default: in the project, beside SOURCE)"
    )
    parser.add_argument("--skeleton", help="skeleton or category to take (default: that of the most animals)")
    parser.add_argument("--video", help="name of the video that predictions were made on")
    parser.add_argument("--skip_missing", action="store_true", help="leave frames whose image is missing")


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from lightning_pose.io.formats.convert import Choices, Tool, convert

    choices = Choices(args.image_dir, args.skeleton, args.video, args.ood_start, args.skip_missing)
    convert(Tool(args.tool), args.source, args.output, Tool(args.to), choices)
