"""Write a static site that shows what every model found in every labelled frame.

litpose gallery --ind_labels labels.csv --ood_labels labels_new.csv --data_dir DIR --config mouse.yaml \
    --member pose 0 ind/predictions.csv ood/predictions.csv --bbox pose 0 ind/bbox.csv ood/bbox.csv \
    --output gallery/index.html

It opens in a browser as it lies on the disk. Written again, it redraws the frames that changed. Predictions
and boxes are in frame pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.frames import add_boxes
from lightning_pose.cli.members import add_members

LARGEST_SIDE, LEAST_SIDE = 1600, 64  # pixels of a frame's JPEG


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_members(parser)
    parser.add_argument("--output", type=Path, required=True, help="the page to write: FOLDER/index.html")
    add_boxes(parser)
    parser.add_argument(
        "--video_member",
        nargs=4,
        action="append",
        default=[],
        metavar=("VIDEO", "KIND", "SEED", "PREDICTIONS"),
        help="a video and one model's predictions on it: clips of where its members differ most (repeatable)",
    )
    parser.add_argument("--clips", type=int, default=6, metavar="N", help="of a video at most (default 6)")
    parser.add_argument("--clip_seconds", type=float, default=3.0, metavar="S", help="of a clip (default 3)")
    parser.add_argument("--colors", nargs="*", default=[], metavar="KIND=#HEX", help="colours of kinds")
    parser.add_argument("--title", default="Gallery", help="of the page")
    parser.add_argument(
        "--largest_side",
        type=int,
        default=LARGEST_SIDE,
        metavar="PIXELS",
        help=f"of a frame's JPEG (default {LARGEST_SIDE})",
    )


def run(args: argparse.Namespace) -> None:
    """Read, draw, write."""
    import logging

    from lightning_pose.cli.frames import read_frames, read_skeleton
    from lightning_pose.evaluation.colors import parse_colors
    from lightning_pose.evaluation.gallery.clips import VideoMember
    from lightning_pose.evaluation.gallery.site import ClipChoice, write_gallery

    _check(args)
    colors, skeleton = parse_colors(args.colors), read_skeleton(args)
    frames = read_frames(args)
    videos = [VideoMember(Path(video), kind, seed, Path(csv)) for video, kind, seed, csv in args.video_member]
    choice = ClipChoice(videos, args.clips, args.clip_seconds)
    done = write_gallery(
        frames, args.data_dir, args.output, args.title, args.largest_side, skeleton, colors, choice
    )
    logging.getLogger(__name__).info(
        "%s: drew %d of %d frames, %.1f MB in all", args.output, done.drawn, done.total, done.bytes / 1e6
    )


def _check(args: argparse.Namespace) -> None:
    from lightning_pose.types import Problem, UserError

    checks = (
        (
            "--largest_side",
            f"{LEAST_SIDE} pixels or more",
            args.largest_side,
            args.largest_side >= LEAST_SIDE,
        ),
        ("--clips", "1 or more", args.clips, args.clips >= 1),
        ("--clip_seconds", "a number above 0, up to 60", args.clip_seconds, 0 < args.clip_seconds <= 60),
    )
    problems = [
        Problem(name, expected, str(value)) for name, expected, value, is_well in checks if not is_well
    ]
    if problems:
        raise UserError(problems)
