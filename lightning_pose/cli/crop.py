"""Crop labelled frames around their bounding boxes; only what is missing or stale is made anew.

litpose crop --labels labels.csv --bbox bbox.csv --data_dir data --output_dir crops
litpose crop MODEL_DIR labels.csv               (boxes from MODEL_DIR/image_preds/<csv>/bbox.csv)
"""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_SIZE = "256x256"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model_dir", type=Path, nargs="?", help="a detector's folder, instead of --labels")
    parser.add_argument("input_path", type=Path, nargs="*", help="labels CSVs")
    parser.add_argument("--labels", type=Path, help="a labels CSV")
    parser.add_argument("--bbox", type=Path, help="its bounding-box CSV")
    parser.add_argument("--data_dir", type=Path, help="folder that image paths are relative to")
    parser.add_argument("--output_dir", type=Path, help="folder for <csv>/cropped_<csv> and cropped_images/")
    parser.add_argument("--output_csv", type=Path, help="write cropped labels here, crops.json beside them")
    parser.add_argument("--images_dir", type=Path, help="write cropped images here")
    parser.add_argument(
        "--crop_size", help=f"HxW of each crop in pixels (default: as the model says, else {DEFAULT_SIZE})"
    )
    parser.add_argument("--jobs", type=int, help="parallel processes (default: the cores at hand)")


def run(args: argparse.Namespace) -> None:
    """Crop."""
    from lightning_pose.data.crops import crop_labeled_images
    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.types import Problem, UserError

    if args.model_dir is None and args.labels and args.bbox and args.data_dir and _has_places(args):
        output, images = args.output_csv, args.images_dir
        if args.output_dir:
            output = output or args.output_dir / args.labels.name / f"cropped_{args.labels.name}"
            images = images or args.output_dir / "cropped_images"
        size = parse_size(args.crop_size or DEFAULT_SIZE)
        crop_labeled_images(args.labels, args.bbox, args.data_dir, images, output, size, args.jobs)
    elif args.model_dir and args.input_path and not _explicit(args):
        data_dir, size = _data_dir_and_size(args)
        for path in args.input_path:
            labels = path if path.is_file() else data_dir / path
            folder = args.model_dir / "image_preds" / path.name
            images = args.model_dir / "cropped_images"
            output = folder / f"cropped_{path.name}"
            crop_labeled_images(labels, folder / "bbox.csv", data_dir, images, output, size, args.jobs)
    else:
        expected = "--labels, --bbox, --data_dir and --output_dir, or MODEL_DIR and CSVs"
        found = "both" if args.model_dir and _explicit(args) else "neither in full"
        raise UserError(Problem("arguments", expected, found))


def _data_dir_and_size(args: argparse.Namespace) -> tuple[Path, tuple[int, int]]:
    """Return what the arguments say, or else the settings of the detector."""
    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.io.model_dir import CONFIG_FILE, read_model_settings

    size = parse_size(args.crop_size or DEFAULT_SIZE)
    if args.data_dir is not None and not (args.model_dir / CONFIG_FILE).is_file():
        return args.data_dir, size
    settings = read_model_settings(args.model_dir)
    own = settings.workflow.crop_size
    data_dir = args.data_dir or Path(settings.data.data_dir)
    return data_dir, (own.height, own.width) if args.crop_size is None else size


def _explicit(args: argparse.Namespace) -> bool:
    return any((args.labels, args.bbox, args.output_dir, args.output_csv, args.images_dir))


def _has_places(args: argparse.Namespace) -> bool:
    return bool(args.output_dir or (args.output_csv and args.images_dir))
