"""Predict keypoints on labelled frames and on videos.

Writes MODEL_DIR/image_preds/<csv>/predictions.csv in pixels of the images of the CSV, and pixel errors
beside it. For a pose model's crops, whose boxes lie beside the CSV, remapped_predictions.csv holds the same
in frame pixels. With --detector_mode, the boxes (bbox.csv), the crops and their labels (cropped_<csv>) too.

For a video, writes MODEL_DIR/video_preds/<video file name>/predictions.csv: row i is frame i, in frame
pixels. A pose model needs the box of each frame (--bbox, --bbox_dir), which a detector writes beside its
predictions with --detector_mode, or another tool places. A cropzoom model takes such boxes too. A video that
`litpose crop` made needs no boxes, and gets remapped_predictions.csv in frame pixels besides. Beside the
predictions on a whole video, in frame pixels, lie its metrics: see `litpose video_metrics`.

Labelled frames, too, can be looked at in given boxes (--bbox_dir), with no crops on disk: predictions.csv and
its errors are in frame pixels then, as those of `litpose crop`, `predict` and `remap` one after the other.

A cropzoom model (`litpose create_cropzoom`) needs none: it finds the animal itself. Its folder gets
image_preds/<csv>/ and video_preds/<video file name>/ with predictions.csv in frame pixels and bbox.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose.cli.options import add_look_option, add_overrides, box_settings, is_video

if TYPE_CHECKING:
    from lightning_pose.inference.video_output import VideoOutput

# options of Lightning Pose -> the setting that each stands for, and what its values are called there
SETTINGS_OF_OPTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "runtime": ("inference.runtime", {"eager": "torch"}),
    "precision": ("inference.runtime", {"fp32": "torch", "bf16": "torch_bf16"}),
    "batch_size": ("training.test_batch_size", {}),
    "reader": ("dali.library", {}),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model_dir", type=Path, help="a trained model's folder")
    parser.add_argument(
        "input_path", type=Path, nargs="+", help="labels CSVs, found in the data folder too; videos"
    )
    parser.add_argument("--bbox", type=Path, help="boxes of a video's frames, for a pose model (one video)")
    parser.add_argument(
        "--bbox_dir",
        type=Path,
        help="boxes: VIDEO_STEM_bbox.csv, VIDEO_STEM/bbox.csv or VIDEO_NAME/bbox.csv of each video; "
        "CSV_NAME/bbox.csv, or else bbox.csv, of labelled frames",
    )
    parser.add_argument(
        "--detector_mode", action="store_true", help="write bounding boxes and cropped images too"
    )
    parser.add_argument("--data_dir", type=Path, help="folder that image paths are relative to")
    parser.add_argument("--output", type=Path, help="write predictions here, and nothing else (one input)")
    parser.add_argument(
        "--output_bbox", type=Path, help="write a cropzoom model's boxes here (with --output)"
    )
    parser.add_argument(
        "--allow_truncated",
        action="store_true",
        help="predict what is there of damaged videos; predictions.json says how much",
    )
    parser.add_argument(
        "--frames",
        metavar="START:STOP",
        help="of a video, for one of several machines; `litpose merge` joins what they find",
    )
    add_look_option(parser)
    parser.add_argument(
        "--runtime",
        metavar="NAME",
        help="what computes the networks, over inference.runtime of the model's settings: auto, torch, "
        "torch_mixed, torch_bf16, openvino, openvino_mixed, openvino_bf16 (see docs/settings.md)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="number format, by torch: the runtime torch or torch_bf16",
    )
    parser.add_argument(
        "--batch_size",
        metavar="NUMBER",
        help="images or frames at a time, over training.test_batch_size of the model's settings",
    )
    parser.add_argument(
        "--reader", metavar="NAME", help="what decodes videos, over dali.library: auto, pyav, opencv, dali"
    )
    parser.add_argument(
        "--bbox_columns", action="store_true", help="write the box of each video frame beside its keypoints"
    )
    parser.add_argument(
        "--parquet",
        action="store_true",
        help="write a video's predictions as predictions.parquet too, as is done where one lies already",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="accepted: predictions are always written anew"
    )
    parser.add_argument("--skip_viz", action="store_true", help="accepted: no pictures are drawn")
    parser.add_argument(
        "--compile", action="store_true", help="accepted: what computes the networks is chosen by its speed"
    )
    add_overrides(parser)


def run(args: argparse.Namespace) -> None:
    """Predict."""
    from lightning_pose.io.cropzoom_dir import is_cropzoom_dir
    from lightning_pose.types import Problem, UserError

    if args.runtime and args.precision:
        raise UserError(Problem("--runtime, --precision", "one of the two", "both"))
    args.overrides = [*args.overrides, *_overrides_of_options(args)]
    if args.output and len(args.input_path) > 1:
        raise UserError(Problem("--output", "one input", f"{len(args.input_path)} inputs"))
    if args.output and args.detector_mode:
        raise UserError(Problem("--output", "none with --detector_mode, which writes several files", "both"))
    _refuse_others(args.input_path)
    videos = [path for path in args.input_path if is_video(path)]
    csv_files = [path for path in args.input_path if path not in videos]
    if is_cropzoom_dir(args.model_dir):
        _run_cropzoom(args, csv_files, videos)
    elif args.output_bbox or hasattr(args, "detect_every"):
        name = "--output_bbox" if args.output_bbox else "--detect_every"
        raise UserError(Problem(name, "a cropzoom model", str(args.model_dir)))
    else:
        _run_single(args, csv_files, videos)


def _overrides_of_options(args: argparse.Namespace) -> list[str]:
    """Return what the options for single settings say, as overrides of these."""
    given = {name: value for name in SETTINGS_OF_OPTIONS if (value := getattr(args, name)) is not None}
    overrides = []
    for name, value in given.items():
        key, others = SETTINGS_OF_OPTIONS[name]
        overrides.append(f"{key}={others.get(value, value).replace('-', '_')}")
    return overrides


def _refuse_others(paths: list[Path]) -> None:
    """Refuse what is named neither as labels CSVs are nor as videos, and names that are there twice."""
    from lightning_pose.io.video import SUFFIXES
    from lightning_pose.types import Problem, UserError

    expected = f"a labels CSV or a video ({', '.join(SUFFIXES)})"
    problems = []
    for path in paths:
        if path.is_dir():
            problems.append(Problem(str(path), expected, "a folder"))
        elif path.suffix.lower() != ".csv" and not is_video(path):
            found = f"a {path.suffix or 'nameless'} file" if path.exists() else "no such file"
            problems.append(Problem(str(path), expected, found))
    first: dict[str, Path] = {}
    problems += [
        Problem(
            str(path),
            "inputs of different names, which folders of outputs have",
            f"that of {first[path.name]}",
        )
        for path in paths
        if first.setdefault(path.name, path) is not path
    ]
    if problems:
        raise UserError(problems)


def _run_cropzoom(args: argparse.Namespace, csv_files: list[Path], videos: list[Path]) -> None:
    from lightning_pose.inference.cropzoom_run import Destination, predict_cropzoom
    from lightning_pose.settings import BoxSettings
    from lightning_pose.types import Problem, UserError

    if args.detector_mode:
        raise UserError(
            Problem("--detector_mode", "none with a cropzoom model, which places boxes itself", "one")
        )
    frame_bbox_csvs, bbox_csvs = _given_boxes(args, csv_files, videos)
    if bbox_csvs and hasattr(args, "detect_every"):
        raise UserError(Problem("--detect_every", "none with boxes that are given", "one"))
    if args.output_bbox and not args.output:
        raise UserError(Problem("--output", "one with --output_bbox", "none"))
    output = Destination(args.output, args.output_bbox) if args.output else None
    predict_cropzoom(
        args.model_dir,
        csv_files,
        videos,
        args.data_dir,
        output,
        args.overrides,
        args.allow_truncated,
        args.frames,
        box_settings(args, BoxSettings()).detect_every if hasattr(args, "detect_every") else None,
        bbox_csvs,
        _video_output(args, videos),
        frame_bbox_csvs,
    )


def _run_single(args: argparse.Namespace, csv_files: list[Path], videos: list[Path]) -> None:
    from lightning_pose.inference.boxed_run import predict_on_frames
    from lightning_pose.inference.run import predict
    from lightning_pose.inference.video import predict_videos

    frame_bbox_csvs, bbox_csvs = _given_boxes(args, csv_files, videos)
    writes = _video_output(args, videos)
    if frame_bbox_csvs:
        predict_on_frames(
            args.model_dir, csv_files, frame_bbox_csvs, args.data_dir, args.output, args.overrides
        )
    elif csv_files:
        predict(
            model_dir=args.model_dir,
            inputs=csv_files,
            data_dir=args.data_dir,
            output=args.output,
            detector_mode=args.detector_mode,
            overrides=args.overrides,
        )
    if videos:
        predict_videos(
            args.model_dir,
            videos,
            args.output,
            bbox_csvs,
            args.detector_mode,
            args.overrides,
            args.allow_truncated,
            args.frames,
            writes,
        )


def _video_output(args: argparse.Namespace, videos: list[Path]) -> VideoOutput:
    from lightning_pose.inference.video_output import VideoOutput
    from lightning_pose.types import Problem, UserError

    for name in ("bbox_columns", "parquet", "frames", "detect_every"):
        given = getattr(args, name, None)
        if given is not None and given is not False and not videos:
            raise UserError(Problem(f"--{name}", "videos among the inputs", "none"))
    return VideoOutput(args.bbox_columns, args.parquet)


def _given_boxes(
    args: argparse.Namespace, csv_files: list[Path], videos: list[Path]
) -> tuple[list[Path], list[Path]]:
    """Return the CSV of the boxes of each labels CSV and of each video, none if none are given."""
    from lightning_pose.data.clips import find_video_boxes
    from lightning_pose.data.crops import find_image_boxes
    from lightning_pose.types import Problem, UserError

    if args.bbox and args.bbox_dir:
        raise UserError(Problem("--bbox, --bbox_dir", "one of the two", "both"))
    if args.bbox and len(videos) != 1:
        raise UserError(Problem("--bbox", "one video", f"{len(videos)} videos"))
    if args.bbox_dir and args.detector_mode:
        raise UserError(Problem("--bbox_dir", "none with --detector_mode, which places boxes itself", "one"))
    if args.bbox_dir is None:
        return [], [args.bbox] if args.bbox else []
    of_images = [find_image_boxes(args.bbox_dir, path) for path in csv_files]
    return of_images, [find_video_boxes(args.bbox_dir, path) for path in videos]
