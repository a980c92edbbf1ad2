"""Seconds, memory and gain of `litpose smooth` on a long video.

    python benchmarks/smoothing.py --python .venv-eks/bin/python --frames 10000 --members 5

Made-up members walk about the same path, within 2 px of it, and in one frame of ten within 20 px. The command
is a process of its own, whose largest memory the system tells. Errors are root mean squares against the path.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from commands import measured

from lightning_pose.io.predictions import BASIC, read_predictions
from lightning_pose.io.table_blocks import write_blocks
from lightning_pose.io.tables import TableHeader


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", required=True, help="of the environment that has the smoother")
    for name, default in (("frames", 10_000), ("members", 5), ("keypoints", 18), ("fit_frames", 2000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--mirrored", action="store_true", help="the second half mirrors the first")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    path_px = 500 + np.cumsum(rng.normal(0, 1, (args.frames, args.keypoints, 2)), axis=0)
    half = args.keypoints // 2
    if args.mirrored:
        path_px[:, half : 2 * half, 0] = path_px[:, :half, 0] + 100
    with tempfile.TemporaryDirectory() as folder:
        members = [Path(folder) / f"member_{seed}.csv" for seed in range(args.members)]
        spread_px = np.where(rng.random(path_px.shape[:2]) < 0.1, 20.0, 2.0)[..., None]
        made_px = np.stack([path_px + rng.normal(size=path_px.shape) * spread_px for _ in members])
        for own_px, member in zip(made_px, members, strict=True):
            write_member(member, own_px)
        output = Path(folder) / "smoothed.csv"
        views = [list(range(half)), list(range(half, 2 * half))] if args.mirrored else []
        options = [f"--view={','.join(map(str, view))}" for view in views]
        options += [f"--output={output}", f"--python={args.python}", f"--fit_frames={args.fit_frames}"]
        seconds, cpu, megabytes = measured("smooth", *members, *options)
        found_px = read_predictions(output).keypoints_px
    print(f"{args.frames} frames, {args.members} members, {args.keypoints} keypoints")
    print(f"{seconds:.1f} s, {cpu:.1f} s of processor time, at most {megabytes:.0f} MB")
    print(f"error: {error_px(np.median(made_px, axis=0), path_px):.2f} px of the median", end=", ")
    print(f"{error_px(found_px, path_px):.2f} px smoothed")


def write_member(path: Path, keypoints_px: np.ndarray) -> None:
    names = [f"keypoint_{k}" for k in range(keypoints_px.shape[1])]
    with write_blocks(path, TableHeader("made_up", names, BASIC, False, False)) as writer:
        sure = np.full(keypoints_px.shape[:2], 0.9)
        columns = {"x": keypoints_px[..., 0], "y": keypoints_px[..., 1], "likelihood": sure}
        writer.write(np.arange(len(keypoints_px)), columns)


def error_px(found_px: np.ndarray, path_px: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.sum((found_px - path_px) ** 2, axis=-1))))


if __name__ == "__main__":
    main()
