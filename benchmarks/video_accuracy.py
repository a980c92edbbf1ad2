"""Errors of a detector and a cropzoom model on the demo's videos, whose positions are exact in every frame.

    litpose predict results/chickadee/single_0 data/chickadee/videos/*.mp4
    litpose predict results/chickadee/cropzoom_0_1.8 data/chickadee/videos/*.mp4
    python benchmarks/video_accuracy.py --detector results/chickadee/single_0 \
        --cropzoom results/chickadee/cropzoom_0_1.8 --data_dir data/chickadee

Prints, for each video and for all, the median error of both in pixels of the frame, and their ratio. And the
cropzoom model's error against the positions of the frame before and the frame after: both must be larger, or
frames are shifted. That is told of frames in which the animal moves; it rests in many. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.metrics import pixel_error
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import read_predictions

SHIFTS = (-1, 0, 1)
MOVES = 1.0  # px a frame, of the median keypoint: slower frames cannot tell a shift


def main() -> None:
    args = parse_arguments()
    found = [errors_of(path, args) for path in sorted((args.data_dir / "videos").glob("*_exact.csv"))]
    if not found:
        sys.exit(f"{args.data_dir / 'videos'}: no *_exact.csv of the demo's videos")
    rows = [*found, ("all", *(np.concatenate(own) for own in list(zip(*found, strict=True))[1:]))]
    print(f"{'':24}{'frames':>7}{'detector':>10}{'cropzoom':>10}{'ratio':>7}   moving: shift -1, 0, +1")
    is_shifted = False
    for name, detector, cropzoom, *shifted in rows:
        single, zoom = np.nanmedian(detector), np.nanmedian(cropzoom)
        by_shift = [float(np.nanmedian(own)) for own in shifted]
        told = ", ".join(f"{own:.2f}" for own in by_shift)
        print(f"{name:24}{len(detector):7}{single:10.2f}{zoom:10.2f}{zoom / single:7.2f}   {told} px")
        is_shifted |= by_shift[1] >= min(by_shift[0], by_shift[2])
    sys.exit("frames are shifted" if is_shifted else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detector", type=Path, required=True, help="its folder, with video_preds")
    parser.add_argument("--cropzoom", type=Path, required=True, help="its folder, with video_preds")
    parser.add_argument("--data_dir", type=Path, default=Path("data/chickadee"), help="the demo's data")
    return parser.parse_args()


def errors_of(exact_csv: Path, args: argparse.Namespace) -> tuple[str, *tuple[np.ndarray, ...]]:
    """Return a video's name and errors, each (frames, K): of both models, and of moving frames by shift."""
    name = exact_csv.name.replace("_exact.csv", ".mp4")
    exact_px = read_labels(exact_csv).keypoints_px
    detector, cropzoom = (
        read_predictions(folder / "video_preds" / name / "predictions.csv").keypoints_px
        for folder in (args.detector, args.cropzoom)
    )
    own = [pixel_error(found, exact_px) for found in (detector, cropzoom)]
    inner = np.arange(1, len(exact_px) - 1)
    steps_px = pixel_error(exact_px[inner + 1], exact_px[inner - 1]) / 2
    moving = inner[np.nanmedian(steps_px, axis=1) >= MOVES]
    return name, *own, *(pixel_error(cropzoom[moving], exact_px[moving + shift]) for shift in SHIFTS)


if __name__ == "__main__":
    main()
