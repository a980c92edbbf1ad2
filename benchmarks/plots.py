"""Seconds and memory of `litpose plot_ood`, and of a video's expected errors with their plot.

    python benchmarks/plots.py --frames 10000 --keypoints 18 --members 10

Labels and members are made up: two kinds, one in ten frames InD, the others OOD; keypoints are off by errors
that the members share in part. The video has as many frames, and the ensemble's variances. Writing these
files is not in the time; each command is a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from commands import measured

from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import VARIANCES, write_predictions
from lightning_pose.types import Labels, Predictions

IND_SHARE = 0.1
KINDS = ("single", "pose")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("frames", 10_000), ("keypoints", 18), ("members", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ind_frames = max(int(args.frames * IND_SHARE), 10)
        plot = ["--metrics", str(folder / "metrics.csv"), "--output", str(folder / "plots.pdf")]
        members: list[list[str]] = [["--member", KINDS[m % 2], str(m)] for m in range(args.members)]
        for set_name, frames in (("ind", ind_frames), ("ood", args.frames - ind_frames)):
            files = write_set(folder, set_name, frames, args.keypoints, args.members)
            plot += [f"--{set_name}_labels", str(folder / f"{set_name}.csv")]
            for own, file in zip(members, files, strict=True):
                own.append(str(file))
        plot += [part for own in members for part in own]
        tell("plot_ood", [*plot, "--figures_dir", str(folder / "figures")])
        sets = [
            part
            for set_name in ("ind", "ood")
            for part in (
                "--set",
                set_name,
                str(folder / f"{set_name}.csv"),
                str(folder / f"{set_name}_ensemble.csv"),
            )
        ]
        calibration, video = str(folder / "calibration.json"), folder / "video.csv"
        tell("calibrate", [*sets, "--output", calibration])
        write_video(video, args.frames, args.keypoints)
        outputs = ["--output", str(folder / "expected.csv"), "--plot", str(folder / "expected.pdf")]
        tell("expected_error", [calibration, str(video), *outputs])


def write_set(folder: Path, name: str, frames: int, keypoints: int, members: int) -> list[Path]:
    """Write labels, the members' predictions and an ensemble; return the members' files."""
    rng = np.random.default_rng(len(name) + frames)
    names = [f"keypoint_{k}" for k in range(keypoints)]
    images = [f"{name}/img{i:06d}.png" for i in range(frames)]
    labels_px = rng.uniform(50, 900, (frames, 1, 2)) + rng.normal(0, 40, (frames, keypoints, 2))
    write_labels(Labels(images, names, labels_px), folder / f"{name}.csv")
    size = rng.lognormal(0.5, 1, (frames, keypoints, 1))
    shared = rng.normal(0, 1, labels_px.shape)
    found, files = [], []
    for m in range(members):
        own = labels_px + size * (shared + rng.normal(0, 1, labels_px.shape))
        found.append(own)
        files.append(folder / f"{name}_{m}.csv")
        confidence = np.exp(-size[..., 0] / 10) * rng.uniform(0.8, 1, size.shape[:2])
        write_predictions(Predictions(images, names, own, confidence), files[-1])
    write_ensemble(images, names, np.stack(found), confidence, folder / f"{name}_ensemble.csv")
    return files


def write_ensemble(
    index: list, names: list[str], found: np.ndarray, confidence: np.ndarray, path: Path
) -> None:
    variances = dict(zip(VARIANCES, np.moveaxis(found.var(0), -1, 0), strict=True))
    write_predictions(Predictions(index, names, found.mean(0), confidence, further=variances), path)


def write_video(path: Path, frames: int, keypoints: int) -> None:
    """Write an ensemble's predictions on a video: a walk."""
    rng = np.random.default_rng(0)
    walk = 500 + rng.normal(0, 2, (frames, keypoints, 2)).cumsum(0)
    found = walk + rng.normal(0, 3, (3, *walk.shape))
    names = [f"keypoint_{k}" for k in range(keypoints)]
    write_ensemble(list(range(frames)), names, found, rng.uniform(0.2, 1, walk.shape[:2]), path)


def tell(command: str, options: list[str]) -> None:
    """Run a command; print its seconds, seconds of processor time, and megabytes at most."""
    seconds, cpu, megabytes = measured(command, *options, stderr=subprocess.DEVNULL)
    print(f"{command}: {seconds:.1f} s, {cpu:.1f} s of processor time, {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
