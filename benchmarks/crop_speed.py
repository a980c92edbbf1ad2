"""Time the whole `litpose crop` command on synthetic frames; upstream Lightning Pose's too, if it is there.

    python benchmarks/crop_speed.py --frames 1000
    python benchmarks/crop_speed.py --frames 1000 --peer_python .peer/bin/python --peer_script litpose_cpu.py

Both get the same frames, labels and boxes, in turn, and write into fresh folders. Ours cuts and resizes;
upstream only cuts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.types import Boxes, Labels

KEYPOINTS = ["beak", "tail"]
HEIGHT, WIDTH = 768, 1024
FRAME_STEP = 10  # labelled frames are apart, so that none has context frames


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root, args.frames, args.seed)
        commands = {"ours": lambda: ours(root, args)}
        if args.peer_python and args.peer_script:
            commands["upstream"] = lambda: upstream(root, args)
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(args.repeats):
            for name, command in commands.items():
                seconds[name].append(command())
        again = run(our_command(root, args)) if args.repeats else 0.0
    report(args.frames, seconds, again)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3, help="the median is reported")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crop_size", default="256x256")
    parser.add_argument("--jobs", type=int, help="parallel processes (default: the cores at hand)")
    parser.add_argument("--peer_python", type=Path, help="python of upstream's own environment")
    parser.add_argument("--peer_script", type=Path, help="script that runs upstream's command line on a CPU")
    args = parser.parse_args()
    if bool(args.peer_python) != bool(args.peer_script):
        parser.error("--peer_python and --peer_script go together")
    return args


def make_data(root: Path, frames: int, seed: int) -> None:
    """Write frames as noisy as a camera's, labels and boxes of 100 to 300 px, some beyond the frame."""
    rng = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 12)
    scene = cv2.normalize(scene, None, 20, 230, cv2.NORM_MINMAX)
    names = [f"labeled-data/session/img{FRAME_STEP * (i + 1):08d}.jpg" for i in range(frames)]
    (root / "data" / names[0]).parent.mkdir(parents=True)
    (root / "data/videos").mkdir()
    noises = [rng.normal(0, 4, scene.shape).astype(np.float32) for _ in range(8)]
    for i, name in enumerate(names):
        image = np.clip(np.roll(scene, 3 * i, axis=1) + noises[i % len(noises)], 0, 255).astype(np.uint8)
        cv2.imwrite(str(root / "data" / name), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    side = rng.integers(50, 151, frames) * 2
    corner = np.stack([rng.integers(-30, WIDTH - side + 30), rng.integers(-30, HEIGHT - side + 30)], -1)
    keypoints = corner[:, None] + side[:, None, None] * np.array([[0.3, 0.4], [0.7, 0.6]])
    write_labels(Labels(names, KEYPOINTS, keypoints), root / "data/labels.csv")
    boxes = Boxes(names, np.column_stack([corner, side, side]).astype(float))
    write_bboxes(boxes, root / "bbox.csv")


def ours(root: Path, args: argparse.Namespace) -> float:
    shutil.rmtree(root / "ours", ignore_errors=True)
    return run(our_command(root, args))


def our_command(root: Path, args: argparse.Namespace) -> list[str]:
    jobs = [] if args.jobs is None else ["--jobs", str(args.jobs)]
    return [
        sys.executable, "-m", "lightning_pose.cli.main", "crop",
        "--labels", str(root / "data/labels.csv"), "--bbox", str(root / "bbox.csv"),
        "--data_dir", str(root / "data"), "--output_dir", str(root / "ours"),
        "--crop_size", args.crop_size, *jobs,
    ]  # fmt: skip


def upstream(root: Path, args: argparse.Namespace) -> float:
    """Time upstream on a model folder that holds what its `crop` reads: settings and boxes, no weights."""
    model = root / "upstream"
    shutil.rmtree(model, ignore_errors=True)
    folder = model / "image_preds/labels.csv"
    folder.mkdir(parents=True)
    shutil.copy(root / "bbox.csv", folder / "bbox.csv")
    (model / "config.yaml").write_text(json.dumps(upstream_settings(root)))  # JSON is YAML
    # its packages lie elsewhere than ours, and so must not be shadowed
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    python, script = str(args.peer_python.absolute()), str(args.peer_script.resolve())
    command = [python, script, "crop", str(model), str(root / "data/labels.csv")]
    seconds = run(command, cwd=root, env=environment)
    made = len(list((model / "cropped_images").rglob("*.*g")))
    if made != args.frames:
        sys.exit(f"upstream left {made} crops instead of {args.frames}: its time would mean nothing")
    return seconds


def upstream_settings(root: Path) -> dict:
    return {
        "data": {
            "image_resize_dims": {"width": 256, "height": 256},
            "data_dir": str(root / "data"),
            "video_dir": str(root / "data/videos"),
            "csv_file": "labels.csv",
            "num_keypoints": len(KEYPOINTS),
            "keypoint_names": KEYPOINTS,
            "mirrored_column_matches": None,
            "columns_for_singleview_pca": None,
        },
        "model": {
            "losses_to_use": [],
            "backbone": "resnet18",
            "model_type": "heatmap",
            "heatmap_loss_type": "mse",
            "model_name": "bench",
            "checkpoint": None,
        },
        "training": {"imgaug": "default", "rng_seed_data_pt": 0, "rng_seed_model_pt": 0},
        "eval": {"test_videos_directory": None},
    }


def run(command: list[str], **options) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begin


def report(frames: int, seconds: dict[str, list[float]], again: float) -> None:
    cores = len(os.sched_getaffinity(0))
    print(f"{frames} frames of {WIDTH}x{HEIGHT}, JPEG, {cores} cores, whole commands, median of each")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        runs = ", ".join(f"{second:.2f}" for second in seconds[name])
        print(f"{name}: {value:.2f} s, {frames / value:.0f} frames/s (runs: {runs} s)")
    print(f"ours, nothing changed: {again:.2f} s")
    if "upstream" in medians:
        print(f"ours over upstream: {medians['upstream'] / medians['ours']:.1f} times the rate")


if __name__ == "__main__":
    main()
