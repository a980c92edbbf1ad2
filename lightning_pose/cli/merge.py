"""Join predictions, or boxes, of stretches of one video to those of the whole.

litpose predict MODEL_DIR video.mp4 --frames 0:50000       (on one machine)
litpose predict MODEL_DIR video.mp4 --frames 50000:        (on another)
litpose merge predictions_0-50000.csv predictions_50000-90000.csv --video video.mp4 --output predictions.csv

The result is exactly what one run over the whole video gives with the same --runtime, which for stretches is
torch unless one is named. As far as the provenance.json beside each tells, stretches of other videos,
models or settings are refused, and so are different runtimes.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("input_path", type=Path, nargs="+", help="predictions CSVs, or bounding-box CSVs")
    parser.add_argument("--output", type=Path, required=True, help="the CSV to write")
    parser.add_argument(
        "--video", type=Path, help="the video: checks that it is theirs, and that its last frame is there"
    )


def run(args: argparse.Namespace) -> None:
    """Merge."""
    from lightning_pose.inference.merge import merge_files

    merge_files(args.input_path, args.output, args.video)
