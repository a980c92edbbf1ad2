"""Draw predictions into a video: keypoints, skeleton, box, trails.

litpose label_video video.mp4 predictions.csv --output labeled.mp4 --bbox bbox.csv --config chickadee.yaml
litpose label_video MODEL_DIR video.mp4         (reads predictions.csv and bbox.csv of
                                                MODEL_DIR/video_preds/<video>/, writes labeled.mp4 there)

Predictions are in frame pixels: a cropzoom model's, a detector's, or remapped ones. --contact_sheet draws a
few evenly spaced frames into one picture, cut by their boxes where there are any; without --output, only that
picture is made.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose.cli.options import is_video

if TYPE_CHECKING:
    from lightning_pose.evaluation.label_files import LabelFiles
    from lightning_pose.evaluation.label_video import LabelStyle
    from lightning_pose.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, help="a video, or the folder of a model that predicted on it")
    parser.add_argument("target", type=Path, help="its predictions CSV, or the video")
    parser.add_argument("--bbox", type=Path, help="its bounding-box CSV, to draw the boxes")
    parser.add_argument("--output", type=Path, help="the labelled video to write (.mp4)")
    parser.add_argument("--contact_sheet", type=Path, help="a picture of a few frames to write (.png)")
    parser.add_argument("--sheet_frames", type=int, default=12, metavar="N", help="how many (default 12)")
    parser.add_argument("--config", type=Path, help="a config file, for the skeleton (default: the model's)")
    parser.add_argument(
        "--confidence_thresh_for_vid",
        type=float,
        metavar="NUMBER",
        help="leave out keypoints below (default: the config's eval.confidence_thresh_for_vid)",
    )
    parser.add_argument("--mark_unsure", action="store_true", help="draw those as rings instead")
    parser.add_argument("--trails", type=int, default=0, metavar="N", help="draw the way of N frames")
    parser.add_argument("--radius", type=float, metavar="PIXELS", help="of keypoints (default: by the size)")
    parser.add_argument("--skip_skeleton", action="store_true", help="draw no lines between keypoints")
    parser.add_argument("--skip_bbox", action="store_true", help="draw no boxes")
    parser.add_argument("--frame_numbers", action="store_true", help="write each frame's number into it")
    parser.add_argument(
        "--allow_truncated", action="store_true", help="draw into what is there of a damaged video"
    )
    parser.add_argument("--frames", metavar="START:STOP", help="of the video (default: all)")


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from lightning_pose.evaluation.label_files import draw_files

    draw_files(_files(args), _style(args), args.frames, args.sheet_frames, args.allow_truncated)


def _files(args: argparse.Namespace) -> LabelFiles:
    from lightning_pose.evaluation.label_files import LabelFiles, files_of_model
    from lightning_pose.types import Problem, UserError

    has_output = args.output is not None or args.contact_sheet is not None
    if is_video(args.source) and args.target.suffix == ".csv":
        if not has_output:
            raise UserError(Problem("arguments", "--output or --contact_sheet", "neither"))
        files = LabelFiles(args.source, args.target)
    elif is_video(args.target):
        files = files_of_model(args.source, args.target)
    else:
        expected = "a video and a predictions CSV, or a model's folder and a video"
        raise UserError(Problem("arguments", expected, f"{args.source} {args.target}"))
    bbox = None if args.skip_bbox else args.bbox or files.bbox
    output = args.output if has_output else files.output
    files = replace(files, bbox=bbox, output=output, sheet=args.contact_sheet)
    _check_endings(files)
    return files


def _check_endings(files: LabelFiles) -> None:
    from lightning_pose.types import Problem, UserError

    for name, path, ending in (
        ("--output", files.output, ".mp4"),
        ("--contact_sheet", files.sheet, ".png"),
    ):
        if path is not None and path.suffix.lower() != ending:
            raise UserError(Problem(name, f"a file named *{ending}", str(path)))


def _style(args: argparse.Namespace) -> LabelStyle:
    """Return what is drawn, as the options and the config say.

    Raises
    ------
    UserError
        For impossible values.
    """
    from lightning_pose.evaluation.label_video import LabelStyle
    from lightning_pose.types import Problem, UserError

    settings = _settings(args)
    given = args.confidence_thresh_for_vid
    threshold = settings.eval.confidence_thresh_for_vid if given is None else given
    checks = (
        ("--confidence_thresh_for_vid", "a number from 0 to 1", threshold, 0 <= threshold <= 1),
        ("--trails", "a number of frames from 0 on", args.trails, args.trails >= 0),
        ("--sheet_frames", "a number of frames from 1 on", args.sheet_frames, args.sheet_frames > 0),
        ("--radius", "a number above 0", args.radius, args.radius is None or 0 < args.radius < math.inf),
    )
    problems = [
        Problem(name, expected, str(value)) for name, expected, value, is_well in checks if not is_well
    ]
    if problems:
        raise UserError(problems)
    skeleton = [] if args.skip_skeleton else settings.data.skeleton
    return LabelStyle(skeleton, threshold, args.mark_unsure, args.trails, args.radius, args.frame_numbers)


def _settings(args: argparse.Namespace) -> Settings:
    """Return the settings of --config, or else of the model, or else the defaults."""
    from lightning_pose.config import find_config, load_config
    from lightning_pose.io.cropzoom_dir import is_cropzoom_dir, read_cropzoom
    from lightning_pose.io.model_dir import read_model_settings
    from lightning_pose.settings import Settings

    if args.config is not None:
        return load_config(find_config(args.config), warn=False)
    if not is_video(args.target):
        return Settings()
    is_cropzoom = is_cropzoom_dir(args.source)
    return read_model_settings(read_cropzoom(args.source).pose_dir if is_cropzoom else args.source)
