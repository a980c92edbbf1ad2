"""Map a pose model's predictions from crop pixels back to frame pixels."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("predictions", type=Path, help="predictions CSV of the pose model")
    parser.add_argument("bbox", type=Path, help="bounding-box CSV of the crops")
    parser.add_argument("--output", type=Path, help="default: remapped_<predictions> beside the predictions")
    parser.add_argument(
        "--crop_size", help="HxW of the crops, or native if they were not resized (default: see crops.json)"
    )


def run(args: argparse.Namespace) -> None:
    """Remap."""
    from lightning_pose.inference.remap import remap_file

    output = args.output or args.predictions.with_name(f"remapped_{args.predictions.name}")
    remap_file(args.predictions, args.bbox, output, args.crop_size)
