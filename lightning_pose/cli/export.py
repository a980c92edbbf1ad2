"""Write a trained network as ONNX, for programs that have neither torch nor this package.

The file takes images (batch, 3, height, width), RGB, uint8, resized to the network's size, and gives
keypoints_model_px (batch, keypoints, 2), in pixels of those images with pixel centres at integers, and
confidence (batch, keypoints): heatmaps are decoded inside. Networks of context take (batch, 5, 3, height,
width). Frames that shrink are averaged (OpenCV's INTER_AREA), and keypoints in frame pixels are
(keypoints_model_px + 0.5) * frame size / network size - 0.5; docs/analysis.md has it as a program. Keypoints
are compared with torch's on labelled images, and MODEL.parity.json beside the file says how far apart they
are; beyond 0.05 px in the median or 0.5 px in 99 of 100, nothing is written.

Needs pip install 'lightning-pose-cropzoom[onnx]'.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_overrides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model_dir", type=Path, help="a trained model's folder")
    parser.add_argument("--output", type=Path, required=True, help="the file to write, such as model.onnx")
    parser.add_argument("--labels_csv", type=Path, help="whose images are compared (default: the training's)")
    parser.add_argument("--data_dir", type=Path, help="folder that image paths are relative to")
    parser.add_argument("--frames", type=int, default=32, help="images that are compared (default: 32)")
    add_overrides(parser)


def run(args: argparse.Namespace) -> None:
    """Export."""
    from lightning_pose.inference.export import export_onnx, report_of
    from lightning_pose.types import Problem, UserError

    if args.frames < 1:
        raise UserError(Problem("--frames", "at least 1", str(args.frames)))
    if args.output.suffix != ".onnx":
        raise UserError(Problem("--output", "a name that ends in .onnx", str(args.output)))
    parity = export_onnx(
        args.model_dir, args.output, args.labels_csv, args.data_dir, args.frames, args.overrides
    )
    print("| keypoints | median px | 99 % px | largest px | largest difference of confidence |")
    print("|---|---|---|---|---|")
    print(
        f"| {parity.keypoints} | {parity.median_px:.5f} | {parity.p99_px:.5f} | {parity.max_px:.5f} "
        f"| {parity.max_confidence:.6f} |"
    )
    print(f"wrote {args.output} and {report_of(args.output)}")
