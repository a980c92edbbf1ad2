"""Export labelled frames for FiftyOne: labels, what every model found, boxes and scores.

litpose export_fiftyone --ind_labels labels.csv --ood_labels labels_new.csv --data_dir DIR \
    --member pose 0 ind/predictions.csv ood/predictions.csv --bbox pose 0 ind/bbox.csv ood/bbox.csv \
    --config mouse.yaml --output fiftyone

The folder is a data set of the type fiftyone.types.FiftyOneDataset. Images stay where they are.
Predictions and boxes are in frame pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.frames import add_boxes
from lightning_pose.cli.members import add_members


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_members(parser)
    add_boxes(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--name", help="of the data set (default: the folder's)")


def run(args: argparse.Namespace) -> None:
    """Read, write."""
    from lightning_pose.cli.frames import read_frames, read_skeleton
    from lightning_pose.evaluation.fiftyone_dataset import write_fiftyone

    name = args.name or args.output.resolve().name
    write_fiftyone(read_frames(args), args.data_dir, args.output, name, read_skeleton(args))
