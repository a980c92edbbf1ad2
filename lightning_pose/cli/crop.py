"""Crop labelled frames around their bounding boxes; only what is missing or stale is made anew.

litpose crop --labels labels.csv --bbox bbox.csv --data_dir data --output_dir crops
litpose crop MODEL_DIR labels.csv               (boxes from MODEL_DIR/image_preds/<csv>/bbox.csv)
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "crop labelled frames around their bounding boxes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model_dir", type=Path, nargs="?", help="a detector's folder, instead of --labels")
    parser.add_argument("input_path", type=Path, nargs="*", help="labels CSVs")
    parser.add_argument("--labels", type=Path, help="a labels CSV")
    parser.add_argument("--bbox", type=Path, help="its bounding-box CSV")
    parser.add_argument("--data_dir", type=Path, help="folder that image paths are relative to")
    parser.add_argument("--output_dir", type=Path, help="folder for <csv>/cropped_<csv> and cropped_images/")
    parser.add_argument("--crop_size", default="256x256", help="HxW of each crop in pixels (default 256x256)")
    parser.add_argument("--jobs", type=int, help="parallel processes (default: the cores at hand)")


def run(args: argparse.Namespace) -> None:
    """Crop."""
    from lightning_pose.data.crops import crop_labeled_images
    from lightning_pose.inference.remap import parse_size
    from lightning_pose.types import Problem, UserError

    size = parse_size(args.crop_size)
    if args.labels and args.bbox and args.data_dir and args.output_dir and not args.model_dir:
        output = args.output_dir / args.labels.name / f"cropped_{args.labels.name}"
        images = args.output_dir / "cropped_images"
        crop_labeled_images(args.labels, args.bbox, args.data_dir, images, output, size, args.jobs)
    elif args.model_dir and args.input_path and not args.labels:
        data_dir = args.data_dir or _data_dir(args.model_dir)
        for path in args.input_path:
            labels = path if path.is_file() else data_dir / path
            folder = args.model_dir / "image_preds" / path.name
            images = args.model_dir / "cropped_images"
            output = folder / f"cropped_{path.name}"
            crop_labeled_images(labels, folder / "bbox.csv", data_dir, images, output, size, args.jobs)
    else:
        expected = "--labels, --bbox, --data_dir and --output_dir, or MODEL_DIR and CSVs"
        raise UserError(Problem("arguments", expected, "neither"))


def _data_dir(model_dir: Path) -> Path:
    from lightning_pose.config import find_config, load_config

    return Path(load_config(find_config(model_dir / "config.yaml"), warn=False).data.data_dir)
