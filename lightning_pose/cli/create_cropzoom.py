"""Join a detector and a pose model to one model, which takes frames and gives keypoints in frame pixels.

litpose create_cropzoom DETECTOR_DIR POSE_DIR --output_dir DIR
litpose predict DIR labels.csv video.mp4

Writes DIR/cropzoom.json, which refers to the two folders by relative paths. What no option says is as in the
settings that the pose model was trained with.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import (
    add_box_options,
    add_look_option,
    box_settings,
    size_or_null,
    split_names,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("detector_dir", type=Path, help="the folder of a model trained on whole frames")
    parser.add_argument("pose_dir", type=Path, help="the folder of a model trained on crops")
    parser.add_argument("--output_dir", type=Path, required=True, help="the folder of the new model")
    parser.add_argument("--crop_ratio", type=float, help="box side over the keypoints' span")
    parser.add_argument(
        "--fixed_size",
        type=size_or_null,
        default=argparse.SUPPRESS,
        metavar="NUMBER",
        help="box side in pixels, instead of a ratio (null: none)",
    )
    parser.add_argument("--anchor_keypoints", help="names, separated by commas; an empty text is all")
    parser.add_argument("--crop_size", metavar="HxW", help="of the crops that the pose model was trained on")
    add_box_options(parser)
    add_look_option(parser)


def run(args: argparse.Namespace) -> None:
    """Write the folder."""
    from dataclasses import replace

    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.inference.cropzoom_run import create_cropzoom
    from lightning_pose.io.model_dir import read_model_settings

    boxes = read_model_settings(args.pose_dir).workflow.boxes
    if hasattr(args, "fixed_size"):
        boxes = replace(boxes, fixed_size=args.fixed_size)
    anchors = args.anchor_keypoints
    create_cropzoom(
        args.detector_dir,
        args.pose_dir,
        args.output_dir,
        args.crop_ratio,
        None if args.crop_size is None else parse_size(args.crop_size),
        None if anchors is None else split_names(anchors),
        box_settings(args, boxes),
    )
