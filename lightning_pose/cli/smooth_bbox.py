"""Smooth the boxes of videos over time, whatever tool placed them.

litpose smooth_bbox BBOX_DIR --output_dir DIR
litpose crop MODEL_DIR video.mp4 --bbox_dir DIR

Reads BBOX_DIR/VIDEO_STEM_bbox.csv of each video, or VIDEO_NAME/bbox.csv as in MODEL_DIR/video_preds, and
writes files of the same names into DIR, with metadata.json. x, y, h and w become the medians of the frames
about each; towards the ends of a video, and beside frames without a box, of as many from before as from
behind. All else stays as it was, rows without a box and further columns too. Boxes that `litpose create_bbox`
placed are steady already, and are steadied more by its own --window and --min_cutoff.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

METHODS = ("median",)
METADATA = "metadata.json"
FIRST_ROW = 2  # of a bounding-box CSV, as an editor counts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bbox_dir", type=Path, help="folder of bounding-box CSVs")
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="another folder, for the smoothed ones"
    )
    parser.add_argument("--method", default=METHODS[0], help="median (the default); there is no other")
    parser.add_argument(
        "--window", type=int, default=5, metavar="FRAMES", help="an odd number of frames (default 5)"
    )


def run(args: argparse.Namespace) -> None:
    """Smooth."""
    from lightning_pose.geometry.box_smoothing import running_median
    from lightning_pose.io.bboxes import replace_bboxes
    from lightning_pose.io.destination import check_destinations, refuse_inputs
    from lightning_pose.io.files import write_json
    from lightning_pose.types import Problem, UserError

    if args.method not in METHODS:
        raise UserError(Problem("--method", " or ".join(METHODS), args.method))
    if args.window < 1 or args.window % 2 == 0:
        raise UserError(Problem("--window", "an odd number of frames", str(args.window)))
    sources = _find(args.bbox_dir)
    if args.output_dir.resolve() == args.bbox_dir.resolve():
        expected = "another folder than that of the boxes, which stay as they are"
        raise UserError(Problem("--output_dir", expected, str(args.output_dir)))
    targets = [args.output_dir / path.relative_to(args.bbox_dir) for path in sources]
    refuse_inputs(targets, sources)
    check_destinations([*targets, args.output_dir / METADATA])
    tracks = _read(sources)
    for source, target, (frames, xywh_px) in zip(sources, targets, tracks, strict=True):
        replace_bboxes(source, running_median(frames, xywh_px, args.window), target)
        logger.info("wrote %s", target)
    content = {"method": args.method, "window": args.window, "source": str(args.bbox_dir.resolve())}
    write_json(content, args.output_dir / METADATA)


def _find(bbox_dir: Path) -> list[Path]:
    """Return the CSVs of a folder that may be boxes of videos; hidden files are none."""
    from lightning_pose.io.crop_manifest import BOXES_FILE
    from lightning_pose.types import Problem, UserError

    if not bbox_dir.is_dir():
        found = "a file" if bbox_dir.exists() else "no such folder"
        raise UserError(Problem(str(bbox_dir), "a folder of bounding-box CSVs", found))
    patterns = ("*_bbox.csv", f"*/{BOXES_FILE}")
    paths = sorted(path for pattern in patterns for path in bbox_dir.glob(pattern) if path.is_file())
    shown = [path for path in paths if not path.relative_to(bbox_dir).parts[0].startswith(".")]
    if not shown:
        expected = f"boxes of videos: VIDEO_STEM_bbox.csv or VIDEO_NAME/{BOXES_FILE}"
        raise UserError(Problem(str(bbox_dir), expected, "none"))
    return shown


def _read(paths: list[Path]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return frame numbers (N,) and boxes (N, 4) of each file; what is wrong with any is told at once."""
    from lightning_pose.types import UserError

    tracks, problems = [], []
    for path in paths:
        try:
            tracks.append(_read_track(path))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return tracks


def _read_track(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    from lightning_pose.io.bboxes import read_bboxes
    from lightning_pose.types import Problem, UserError

    boxes = read_bboxes(path, may_lack=True)
    if not boxes.index or not isinstance(boxes.index[0], int):
        found = f"{boxes.index[0]} first: boxes of images are none over time" if boxes.index else "no row"
        raise UserError(Problem(str(path), "boxes of a video, a frame number in each row", found))
    frames = np.array(boxes.index)
    wrong = np.flatnonzero(np.diff(frames) < 0)
    if len(wrong):
        row = int(wrong[0]) + 1
        expected, found = f"a frame after {frames[row - 1]}", f"frame {frames[row]}"
        raise UserError(Problem(f"{path}, row {row + FIRST_ROW}", expected, found))
    return frames, boxes.xywh_px
