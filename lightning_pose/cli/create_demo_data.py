"""Draw the synthetic chickadee: labelled frames of six sessions, OOD frames of three others, videos."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("output_dir", type=Path, help="the data folder to write")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same data (default 0)")
    parser.add_argument(
        "--ind_frames", type=int, default=240, help="labelled frames in distribution (default 240)"
    )
    parser.add_argument(
        "--ood_frames", type=int, default=120, help="labelled frames out of distribution (default 120)"
    )
    parser.add_argument(
        "--video_frames", type=int, default=300, help="frames of each video, 0 = none (default 300)"
    )
    parser.add_argument("--jobs", type=int, help="parallel processes (default: the cores at hand)")


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from lightning_pose.data.demo.write import create_demo_data

    create_demo_data(
        args.output_dir, args.seed, args.ind_frames, args.ood_frames, args.video_frames, args.jobs
    )
