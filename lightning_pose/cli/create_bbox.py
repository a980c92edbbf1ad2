"""Compute a square bounding box in each frame from a detector's predictions.

In a labelled frame, from its own keypoints. In a video, boxes are steady from frame to frame: a detection too
far from the last is not believed, a median and a one-euro filter smooth the rest, and where the animal is not
seen, the box is carried on. --window 1 --max_speed null --min_cutoff null takes each frame by itself.

litpose create_bbox --predictions predictions.csv --output bbox.csv --crop_ratio 1.8
litpose create_bbox MODEL_DIR labels.csv video.mp4        (reads and writes MODEL_DIR/image_preds/<csv>/ and
                                                          MODEL_DIR/video_preds/<video>/)
"""

from __future__ import annotations

import argparse
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose.cli.options import add_box_options, box_settings, is_video, split_names

if TYPE_CHECKING:
    from lightning_pose.io.video_facts import VideoFacts
    from lightning_pose.settings import BoxSettings
    from lightning_pose.types import Boxes, Predictions

DEFAULT_RATIO = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "model_dir", type=Path, nargs="?", help="a detector's folder, instead of --predictions"
    )
    parser.add_argument(
        "input_path", type=Path, nargs="*", help="labels CSVs and videos that the detector predicted on"
    )
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
    add_box_options(parser)
    parser.add_argument("--video", type=Path, help="that the predictions are of: tells the frames' size")
    parser.add_argument(
        "--frame_size", metavar="HxW", help="of a video's frames, whose size no image in --data_dir tells"
    )


def run(args: argparse.Namespace) -> None:
    """Write boxes."""
    from lightning_pose.io.bboxes import write_bboxes
    from lightning_pose.io.predictions import read_predictions
    from lightning_pose.io.video_stretch import refuse_other_frames
    from lightning_pose.settings import BoxSettings

    triples, settings = _inputs_and_outputs(args), box_settings(args, BoxSettings())
    for source, target, video in triples:
        predictions = read_predictions(source)
        if video is not None:
            refuse_other_frames(source, predictions.index, _video_facts(video))
        write_bboxes(_place(predictions, settings, args, video), target)


def _place(
    predictions: Predictions, settings: BoxSettings, args: argparse.Namespace, video: Path | None
) -> Boxes:
    from lightning_pose.geometry.boxes import box_rule, boxes_from_keypoints
    from lightning_pose.geometry.film_track import track_boxes

    ratio = DEFAULT_RATIO if args.crop_ratio is None and args.crop_size is None else args.crop_ratio
    anchors = split_names(args.anchor_keypoints)
    least = settings.min_confidence, settings.min_size
    rule = box_rule(predictions.keypoint_names, anchors, ratio, args.crop_size, *least)
    keypoints_px, confidence, index = predictions.keypoints_px, predictions.confidence, predictions.index
    frame_size = partial(_frame_size, args, list(index), video)
    if index and isinstance(index[0], int):
        return track_boxes(keypoints_px, confidence, lambda: frame_size(0), rule, settings)
    return boxes_from_keypoints(keypoints_px, confidence, list(index), frame_size, rule)


def _inputs_and_outputs(args: argparse.Namespace) -> list[tuple[Path, Path, Path | None]]:
    """Return each predictions CSV, the boxes to write, and the video that both are of, if one is named."""
    from lightning_pose.types import Problem, UserError

    single, several = bool(args.predictions or args.output), bool(args.model_dir)
    if single and not several and args.predictions and args.output:
        return [(args.predictions, args.output, args.video)]
    if several and not single and args.input_path:
        return [_of_model(args.model_dir, path, args.video) for path in args.input_path]
    found = "both" if single and several else "one of them without the other" if single or several else "none"
    raise UserError(Problem("arguments", "--predictions and --output, or MODEL_DIR and CSVs", found))


def _of_model(model_dir: Path, path: Path, video: Path | None) -> tuple[Path, Path, Path | None]:
    own = path if is_video(path) else None
    folder = model_dir / ("image_preds" if own is None else "video_preds") / path.name
    return folder / "predictions.csv", folder / "bbox.csv", own or video


def _frame_size(
    args: argparse.Namespace, index: list[str | int], video: Path | None, row: int
) -> tuple[int, int]:
    from lightning_pose.geometry.crop_space import parse_size
    from lightning_pose.io.images import image_size, refuse_outside
    from lightning_pose.types import Problem, UserError

    name = index[row]
    if args.frame_size is not None:
        return parse_size(args.frame_size, "--frame_size")
    if video is not None:
        return _video_size(video)
    if isinstance(name, int):
        raise UserError(
            Problem(
                "--video or --frame_size", f"one, since no animal was found in video frame {name}", "none"
            )
        )
    refuse_outside([name], _data_dir(args))
    return image_size(_data_dir(args) / name)


@cache
def _video_facts(path: Path) -> VideoFacts:
    from lightning_pose.io.video_facts import probe_video

    return probe_video(path, allow_truncated=True)  # rows may be of what is there of it


@cache
def _video_size(path: Path) -> tuple[int, int]:
    from lightning_pose.io.video import open_video

    return open_video(_video_facts(path)).frame_hw()


def _data_dir(args: argparse.Namespace) -> Path:
    if args.data_dir is not None or args.model_dir is None:
        return args.data_dir or Path()
    from lightning_pose.io.model_dir import read_model_settings

    return Path(read_model_settings(args.model_dir).data.data_dir)
