"""Compute a square bounding box in each frame from a detector's predictions.

litpose create_bbox --predictions predictions.csv --output bbox.csv --crop_ratio 1.8
litpose create_bbox MODEL_DIR labels.csv        (reads and writes MODEL_DIR/image_preds/<csv>/)
"""

from __future__ import annotations

import argparse
from functools import cache, partial
from pathlib import Path

DEFAULT_RATIO = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "model_dir", type=Path, nargs="?", help="a detector's folder, instead of --predictions"
    )
    parser.add_argument("input_path", type=Path, nargs="*", help="labels CSVs that the detector predicted on")
    parser.add_argument("--predictions", type=Path, help="a predictions CSV")
    parser.add_argument("--output", type=Path, help="the bounding-box CSV to write")
    parser.add_argument(
        "--data_dir",
        type=Path,
        help="folder of the images, looked at where no animal was found (default: the model's, else here)",
    )
    parser.add_argument(
        "--crop_ratio", type=float, help=f"box side over the keypoints' span (default {DEFAULT_RATIO})"
    )
    parser.add_argument("--crop_size", type=int, help="box side in pixels, instead of a ratio")
    parser.add_argument("--anchor_keypoints", default="", help="names, separated by commas (default: all)")
    parser.add_argument(
        "--min_confidence", type=float, default=0.05, help="ignore keypoints below (default 0.05)"
    )
    parser.add_argument("--video", type=Path, help="that the predictions are of: tells the frames' size")
    parser.add_argument(
        "--frame_size", metavar="HxW", help="of a video's frames, whose size no image in --data_dir tells"
    )


def run(args: argparse.Namespace) -> None:
    """Write boxes."""
    from lightning_pose.geometry.boxes import boxes_from_keypoints
    from lightning_pose.io.bboxes import write_bboxes
    from lightning_pose.io.predictions import read_predictions

    pairs = _inputs_and_outputs(args)
    ratio = DEFAULT_RATIO if args.crop_ratio is None and args.crop_size is None else args.crop_ratio
    for source, target in pairs:
        predictions = read_predictions(source)
        boxes = boxes_from_keypoints(
            predictions.keypoints_px,
            predictions.confidence,
            predictions.keypoint_names,
            list(predictions.index),
            partial(_frame_size, args, list(predictions.index)),
            [name.strip() for name in args.anchor_keypoints.split(",") if name.strip()],
            crop_ratio=ratio,
            crop_size=args.crop_size,
            min_confidence=args.min_confidence,
        )
        write_bboxes(boxes, target)


def _inputs_and_outputs(args: argparse.Namespace) -> list[tuple[Path, Path]]:
    from lightning_pose.types import Problem, UserError

    single, several = bool(args.predictions or args.output), bool(args.model_dir)
    if single and not several and args.predictions and args.output:
        return [(args.predictions, args.output)]
    if several and not single and args.input_path:
        folders = [args.model_dir / "image_preds" / path.name for path in args.input_path]
        return [(folder / "predictions.csv", folder / "bbox.csv") for folder in folders]
    found = "both" if single and several else "one of them without the other" if single or several else "none"
    raise UserError(Problem("arguments", "--predictions and --output, or MODEL_DIR and CSVs", found))


def _frame_size(args: argparse.Namespace, index: list[str | int], row: int) -> tuple[int, int]:
    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.io.images import image_size
    from lightning_pose.types import Problem, UserError

    name = index[row]
    if args.frame_size is not None:
        return parse_size(args.frame_size, "--frame_size")
    if args.video is not None:
        return _video_size(args.video)
    if isinstance(name, int):
        raise UserError(
            Problem(
                "--video or --frame_size", f"one, since no animal was found in video frame {name}", "none"
            )
        )
    return image_size(_data_dir(args) / name)


@cache
def _video_size(path: Path) -> tuple[int, int]:
    from lightning_pose.io.video import open_video
    from lightning_pose.settings import VideoLibrary

    return open_video(path, VideoLibrary.opencv).frame_hw()


def _data_dir(args: argparse.Namespace) -> Path:
    if args.data_dir is not None or args.model_dir is None:
        return args.data_dir or Path()
    from lightning_pose.io.model_dir import read_model_settings

    return Path(read_model_settings(args.model_dir).data.data_dir)
