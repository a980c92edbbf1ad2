"""Time `litpose predict` with a cropzoom model on a video, and `predict_frame` on single frames.

    python benchmarks/video_speed.py --frames 1000 --backbone resnet18
    python benchmarks/video_speed.py --cropzoom results/chickadee/cropzoom_0_1.8 \
        --video data/chickadee/videos/ind_session0.mp4

Prints frames/s of the whole command, the time spent in each part in one more run within this process, and the
latency of single frames. Decoding and the detector's resizing run in a thread beside the networks: the parts
may add up to more than the whole. Without --cropzoom and --video, networks of random weights see synthetic
noise: as fast as animals in one runtime, but `auto` computes them in float32, since only trained weights tell
whether bfloat16 keeps keypoints in place. On a machine that does other work too, set OMP_WAIT_POLICY=PASSIVE,
or threads that wait take the cores from those that work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from safetensors.torch import save_file

from lightning_pose.config import to_yaml
from lightning_pose.inference import film
from lightning_pose.inference.cropzoom import CropZoomModel
from lightning_pose.inference.cropzoom_run import create_cropzoom
from lightning_pose.io.files import write_json
from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.io.video_pyav import PyAvVideo
from lightning_pose.models.build import build_network
from lightning_pose.models.hardware import set_threads
from lightning_pose.settings import (
    BoxSettings,
    DataSettings,
    ImageDims,
    ModelSettings,
    Settings,
    TrainingSettings,
    Weights,
)

NAMES = [f"keypoint{number}" for number in range(8)]
HEIGHT, WIDTH, RATE = 480, 640, 30
WARM_UP = 10  # frames before latency counts


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        video = args.video or write_video(root / "video.mp4", args.frames)
        zoom = args.cropzoom or write_cropzoom(root, args)
        seconds = [whole_command(zoom, video, root / "out.csv") for _ in range(args.repeats)]
        model = CropZoomModel.from_dir(zoom)
        latencies_ms = latency(model, video, args.singles)
        total, parts = in_parts(model.for_video(), video)
    facts, cores = probe_video(video), len(os.sched_getaffinity(0))
    frames = facts.frame_count
    networks = args.cropzoom.name if args.cropzoom else f"{args.backbone} twice, {args.size}x{args.size}"
    print(f"{frames} frames of {facts.width}x{facts.height}; {networks}, ", end="")
    print(f"{model.pose.for_video().runtime.value}, {cores} cores")
    rates = ", ".join(f"{frames / own:.0f}" for own in seconds)
    print(f"whole command: {frames / sorted(seconds)[len(seconds) // 2]:.0f} frames/s (runs: {rates})")
    print(f"in this process: {frames / total:.0f} frames/s; share of the time:")
    for name, own in parts.items():
        print(f"  {name}: {100 * own / total:.0f} % ({1000 * own / frames:.2f} ms a frame)")
    middle, late = np.percentile(latencies_ms, [50, 95])
    print(f"predict_frame: median {middle:.1f} ms, 95th percentile {late:.1f} ms (of {len(latencies_ms)})")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=256, help="height and width of both networks' input")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3, help="whole commands; the median is reported")
    parser.add_argument("--singles", type=int, default=200, help="frames to predict one by one")
    parser.add_argument("--cropzoom", type=Path, help="folder of a trained cropzoom model, with --video")
    parser.add_argument("--video", type=Path, help="with --cropzoom")
    args = parser.parse_args()
    if bool(args.cropzoom) != bool(args.video):
        parser.error("--cropzoom and --video go together")
    return args


def write_cropzoom(root: Path, args: argparse.Namespace) -> Path:
    folders = [write_model(root / name, args, seed) for seed, name in enumerate(("detector", "pose"))]
    create_cropzoom(*folders, root / "cropzoom", boxes=BoxSettings(min_confidence=0.0))
    return root / "cropzoom"


def write_video(path: Path, frames: int) -> Path:
    """Write a scene as noisy as a camera's, which drifts."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 12)
    scene = cv2.normalize(scene, None, 20, 230, cv2.NORM_MINMAX)
    noises = [rng.normal(0, 4, scene.shape).astype(np.float32) for _ in range(8)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            picture = np.roll(scene, 3 * number, axis=1) + noises[number % len(noises)]
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_model(folder: Path, args: argparse.Namespace, seed: int) -> Path:
    """Write the folder of a model that was never trained."""
    settings = Settings(
        data=DataSettings(ImageDims(args.size, args.size), keypoint_names=NAMES),
        training=TrainingSettings(test_batch_size=args.batch, rng_seed_model_pt=seed),
        model=ModelSettings(backbone=args.backbone, weights=Weights.random),
    )
    folder.mkdir()
    (folder / "config.yaml").write_text(to_yaml(settings))
    network = build_network(settings, len(NAMES))
    save_file({name: value.contiguous() for name, value in network.state_dict().items()},
              folder / "model.safetensors")  # fmt: skip
    write_json({}, folder / "splits.json")
    return folder


def whole_command(folder: Path, video: Path, output: Path) -> float:
    command = [sys.executable, "-m", "lightning_pose.cli.main", "predict", str(folder), str(video)]
    command += ["--output", str(output)]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begin


def in_parts(model: CropZoomModel, video: Path) -> tuple[float, dict[str, float]]:
    """Return the seconds of a run, and those spent in each of its parts."""
    parts: dict[str, float] = defaultdict(float)
    PyAvVideo._read = timed(PyAvVideo._read, parts, "decoding")  # type: ignore[method-assign]
    model.detector.predict_batch = timed(  # type: ignore[method-assign]
        model.detector.predict_batch, parts, "detector"
    )
    model.pose.predict_batch = timed(model.pose.predict_batch, parts, "pose model")  # type: ignore[method-assign]
    whole = film.predict_in_boxes
    film.predict_in_boxes = timed(whole, parts, "pose model and its crops")
    begin = time.perf_counter()
    model.predict_video(video)
    total = time.perf_counter() - begin
    film.predict_in_boxes = whole
    return total, dict(parts)


def timed(function: Callable[..., Any], parts: dict[str, float], name: str) -> Callable[..., Any]:
    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        begin = time.perf_counter()
        result = function(*arguments, **options)
        parts[name] += time.perf_counter() - begin
        return result

    return run


def latency(model: CropZoomModel, video: Path, count: int) -> np.ndarray:
    """Return the milliseconds from a frame in memory to its keypoints, frame by frame."""
    set_threads()
    own = open_video(probe_video(video))
    frames = own.read(0, min(WARM_UP + count, own.frame_count))
    found = []
    for frame in frames:
        begin = time.perf_counter()
        model.predict_frame(frame)
        found.append(1000 * (time.perf_counter() - begin))
    return np.array(found[WARM_UP:])


if __name__ == "__main__":
    main()
