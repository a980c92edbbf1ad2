"""Convert another tool's labels: `litpose convert dlc PROJECT_DIR OUTPUT_DIR`.

Writes OUTPUT_DIR/CollectedData.csv, the images under labeled-data/ and the videos under videos/. With
--ood_start N, rows from the N-th on go to CollectedData_new.csv instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tool", choices=("dlc",), help="dlc: a single-animal DeepLabCut project")
    parser.add_argument("project_dir", type=Path, help="the tool's project folder")
    parser.add_argument("output_dir", type=Path, help="the data folder to write")
    parser.add_argument("--ood_start", type=int, help="first row, from 0, of the out-of-distribution set")


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from lightning_pose.io.dlc import convert_dlc

    convert_dlc(args.project_dir, args.output_dir, args.ood_start)
