"""Seconds and memory of `litpose ensemble` on long videos.

    python benchmarks/ensemble.py --videos 5 --frames 100000 --members 3

Each video is an ensemble of made-up members with full-length numbers; each command is a process of its own,
one after the other, whose largest memory the system tells. Writing the members is not in the time.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from commands import measured

from lightning_pose.io.predictions import BASIC
from lightning_pose.io.table_blocks import write_blocks
from lightning_pose.io.tables import TableHeader
from lightning_pose.settings import Average

BLOCK = 10_000  # frames


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("videos", 5), ("frames", 100_000), ("members", 3), ("keypoints", 18)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--average", choices=[own.value for own in Average], default="mean")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        members = [Path(folder) / f"member_{seed}.csv" for seed in range(args.members)]
        for seed, path in enumerate(members):
            write_member(path, seed, args.frames, args.keypoints)
        each = path.stat().st_size / 1e6
        print(f"{args.videos} videos, {args.frames} frames, {args.members} members of {each:.0f} MB")
        options = ("--average", args.average, "--output", Path(folder) / "ensemble.csv")
        runs = [measured("ensemble", *members, *options) for _ in range(args.videos)]
    seconds, cpu, megabytes = (np.array(own) for own in zip(*runs, strict=True))
    print(f"{seconds.sum():.1f} s together ({', '.join(f'{own:.1f}' for own in seconds)})")
    print(f"{cpu.sum():.1f} s of processor time, at most {megabytes.max():.0f} MB")


def write_member(path: Path, seed: int, frames: int, keypoints: int) -> None:
    """Write a walk of all keypoints."""
    rng = np.random.default_rng(seed)
    names = [f"keypoint_{k}" for k in range(keypoints)]
    with write_blocks(path, TableHeader("made_up", names, BASIC, False, False)) as writer:
        for start in range(0, frames, BLOCK):
            shape = (min(BLOCK, frames - start), keypoints)
            x, y = rng.normal(500, 100, (2, *shape))
            columns = {"x": x, "y": y, "likelihood": rng.random(shape)}
            writer.write(np.arange(start, start + shape[0]), columns)


if __name__ == "__main__":
    main()
