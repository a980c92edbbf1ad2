"""Time whole commands that should start at once, from a shell's view: the median of several runs.

python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Boxes, Labels, Predictions

ROWS, KEYPOINTS = 100, [f"k{i}" for i in range(18)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        predictions, labels, boxes = make_files(Path(folder))
        commands = {
            "litpose --help": (["--help"], 0.25),
            "litpose create_bbox": (
                [
                    "create_bbox",
                    "--predictions",
                    predictions,
                    "--output",
                    f"{folder}/new.csv",
                    "--crop_ratio",
                    "1.8",
                ],
                1.0,
            ),
            "litpose remap": (["remap", predictions, boxes, "--crop_size", "128x128"], 1.0),
            "litpose score": (["score", predictions, labels], None),
            "bare python": (None, None),
        }
        for name, (arguments, goal) in commands.items():
            own = ["-c", "pass"] if arguments is None else ["-m", "lightning_pose.cli.main", *arguments]
            seconds = [timed([sys.executable, *own]) for _ in range(args.repeats)]
            limit = "" if goal is None else f" (goal: at most {goal} s)"
            print(f"{name}: {statistics.median(seconds):.2f} s{limit}")


def make_files(folder: Path) -> tuple[str, str, str]:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(100, 200, (ROWS, len(KEYPOINTS), 2))
    names = [f"img{i:04d}.png" for i in range(ROWS)]
    write_predictions(
        Predictions(names, KEYPOINTS, keypoints, np.ones(keypoints.shape[:2])), folder / "p.csv"
    )
    write_labels(Labels(names, KEYPOINTS, keypoints), folder / "l.csv")
    write_bboxes(Boxes(names, np.tile([100.0, 100, 128, 128], (ROWS, 1))), folder / "bbox.csv")
    return str(folder / "p.csv"), str(folder / "l.csv"), str(folder / "bbox.csv")


def timed(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
