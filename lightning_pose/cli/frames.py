"""Arguments of the commands that show what several models found in each labelled frame."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_pose.evaluation.gallery.frames import GalleryFrames


def add_boxes(parser: argparse.ArgumentParser) -> None:
    """Add what else is known of the frames: where their images are, boxes, the skeleton."""
    parser.add_argument(
        "--data_dir", type=Path, required=True, help="folder that image paths are relative to"
    )
    parser.add_argument(
        "--bbox",
        nargs="+",
        action="append",
        default=[],
        metavar=("KIND SEED IND", "OOD"),
        help="a member's bounding-box CSVs of the set or both (repeatable)",
    )
    parser.add_argument("--config", type=Path, help="a config file, for the skeleton")


def read_frames(args: argparse.Namespace) -> GalleryFrames:
    """Read every labelled frame, and what `cli.members` and `add_boxes` asked for was found in it."""
    from lightning_pose.cli.members import parse_files, parse_members
    from lightning_pose.evaluation.gallery.frames import BoxFiles, read_gallery

    members, missing = parse_members(args)
    boxes = [BoxFiles(*own) for own in parse_files(args, "bbox")]
    return read_gallery(args.ind_labels, args.ood_labels, members, boxes, missing)


def read_skeleton(args: argparse.Namespace) -> list[list[str]]:
    """Return the pairs of keypoints to join, none without a config."""
    if args.config is None:
        return []
    from lightning_pose.config import find_config, load_config

    return load_config(find_config(args.config), warn=False).data.skeleton
