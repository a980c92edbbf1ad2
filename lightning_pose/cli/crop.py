"""Crop labelled frames or videos around their bounding boxes.

litpose crop --labels labels.csv --bbox bbox.csv --data_dir data --output_dir crops
litpose crop video.mp4 --bbox bbox.csv --output_dir crops
litpose crop MODEL_DIR labels.csv video.mp4     (boxes from MODEL_DIR/image_preds/<csv>/bbox.csv and
                                                MODEL_DIR/video_preds/<video>/bbox.csv; crops beside them)

With --bbox_dir FOLDER, the same places get crops by other boxes, such as `litpose smooth_bbox` writes: of a
video FOLDER/VIDEO_STEM_bbox.csv, VIDEO_STEM/bbox.csv or VIDEO_NAME/bbox.csv, of labelled frames
FOLDER/CSV_NAME/bbox.csv or else FOLDER/bbox.csv. They take the place of the bbox.csv beside the crops, by
which predictions on these are mapped back to the frame; other boxes there are kept as bbox.csv.changed.

Of labelled frames, only what is missing or stale is made anew. A video becomes cropped_<video>.mp4 (H.264),
frame for frame, with bbox.csv and crops.json beside it: a pose model predicts on it without --bbox.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import is_video

DEFAULT_SIZE = "256x256"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model_dir", type=Path, nargs="?", help="the folder of a detector or cropzoom model")
    parser.add_argument("input_path", type=Path, nargs="*", help="labels CSVs and videos")
    parser.add_argument("--labels", type=Path, help="a labels CSV")
    parser.add_argument("--bbox", type=Path, help="its bounding-box CSV, or the video's")
    parser.add_argument(
        "--bbox_dir", type=Path, help="folder of boxes to crop by, instead of MODEL_DIR's own (see above)"
    )
    parser.add_argument("--data_dir", type=Path, help="folder that image paths are relative to")
    parser.add_argument(
        "--output_dir",
        type=Path,
        help="folder for <csv>/cropped_<csv> and cropped_images/, or for <video>/cropped_<video>.mp4",
    )
    parser.add_argument("--output_csv", type=Path, help="write cropped labels here, crops.json beside them")
    parser.add_argument("--images_dir", type=Path, help="write cropped images here")
    parser.add_argument(
        "--crop_size", help=f"HxW of each crop in pixels (default: as the model says, else {DEFAULT_SIZE})"
    )
    parser.add_argument("--jobs", type=int, help="parallel processes (default: the cores at hand)")


def run(args: argparse.Namespace) -> None:
    """Crop."""
    from lightning_pose.types import Problem, UserError

    if args.bbox_dir and (_explicit(args) or not args.input_path):
        found = "neither" if not _explicit(args) else "files that are named one by one"
        raise UserError(Problem("arguments with --bbox_dir", "MODEL_DIR and CSVs or videos", found))
    if args.model_dir is None and args.labels and args.bbox and args.data_dir and _has_places(args):
        _crop_labels(args)
    elif args.model_dir and is_video(args.model_dir) and args.bbox and args.output_dir:
        _crop_one_video(args)
    elif args.model_dir and args.input_path and not _explicit(args):
        _crop_of_model(args)
    else:
        expected = (
            "--labels, --bbox, --data_dir and --output_dir; a video, --bbox and --output_dir; "
            "or MODEL_DIR and CSVs or videos"
        )
        found = "both" if args.model_dir and args.input_path and _explicit(args) else "neither in full"
        raise UserError(Problem("arguments", expected, found))


def _crop_labels(args: argparse.Namespace) -> None:
    from lightning_pose.data.crops import crop_labeled_images
    from lightning_pose.geometry.crop_space import parse_size

    output, images = args.output_csv, args.images_dir
    if args.output_dir:
        output = output or args.output_dir / args.labels.name / f"cropped_{args.labels.name}"
        images = images or args.output_dir / "cropped_images"
    size = parse_size(args.crop_size or DEFAULT_SIZE)
    crop_labeled_images(args.labels, args.bbox, args.data_dir, images, output, size, args.jobs)


def _crop_one_video(args: argparse.Namespace) -> None:
    from lightning_pose.data.crop_video import crop_video
    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.types import Problem, UserError

    for name in ("labels", "data_dir", "output_csv", "images_dir", "input_path"):
        if getattr(args, name):
            raise UserError(Problem(f"arguments with --bbox {args.bbox}", "one video", f"{name} too"))
    size = parse_size(args.crop_size or DEFAULT_SIZE)
    crop_video(args.model_dir, args.bbox, args.output_dir / args.model_dir.name, size)


def _crop_of_model(args: argparse.Namespace) -> None:
    from lightning_pose.data.clips import find_video_boxes
    from lightning_pose.data.crop_video import crop_video
    from lightning_pose.data.crops import crop_labeled_images, find_image_boxes
    from lightning_pose.io.crop_manifest import BOXES_FILE

    videos = [path for path in args.input_path if is_video(path)]
    csv_files = [path for path in args.input_path if path not in videos]
    own = {path: args.model_dir / "image_preds" / path.name / BOXES_FILE for path in csv_files}
    own |= {path: args.model_dir / "video_preds" / path.name / BOXES_FILE for path in videos}
    boxes = dict(own)
    if args.bbox_dir is not None:
        boxes = {path: find_image_boxes(args.bbox_dir, path) for path in csv_files}
        boxes |= {path: find_video_boxes(args.bbox_dir, path) for path in videos}
    if csv_files:
        data_dir, size = _data_dir_and_size(args)
    for path in csv_files:
        labels = path if path.is_file() else data_dir / path
        images = args.model_dir / "cropped_images"
        output = own[path].with_name(f"cropped_{path.name}")
        crop_labeled_images(labels, boxes[path], data_dir, images, output, size, args.jobs, own[path])
    for path in videos:
        crop_video(path, boxes[path], own[path].parent, _video_size(args))


def _video_size(args: argparse.Namespace) -> tuple[int, int]:
    """Return the size of a video's crops: a cropzoom model's pose model sees such ones."""
    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.io.cropzoom_dir import is_cropzoom_dir, read_cropzoom
    from lightning_pose.io.model_dir import read_model_settings

    if args.crop_size is not None:
        return parse_size(args.crop_size)
    if is_cropzoom_dir(args.model_dir):
        dims = read_model_settings(read_cropzoom(args.model_dir).pose_dir).data.image_resize_dims
        return dims.height, dims.width
    return _data_dir_and_size(args)[1]


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
