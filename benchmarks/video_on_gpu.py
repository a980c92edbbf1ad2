"""Time predictions on a synthetic video with a GPU: what decodes it, how many frames at a time, the limits.

    python benchmarks/video_on_gpu.py --backbone resnet50 --frames 2000 --batches 16 64 256

For one network on whole frames and for a cropzoom model (the network twice): frames/s of decoding, cropping,
networks and decoding of heatmaps, in this process, without start-up, the median of the repeats. Beside them
the limits: the forward pass alone on frames that lie on the GPU, and each decoder alone. Random weights.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from video_speed import HEIGHT, WIDTH, write_model, write_video

from lightning_pose.inference.cropzoom import CropZoomModel
from lightning_pose.inference.cropzoom_run import create_cropzoom
from lightning_pose.inference.model import Model
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.video import _has_dali, open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.models.hardware import has_bf16, pick_device
from lightning_pose.settings import BoxSettings, VideoLibrary

CHUNK = 64  # frames that a decoder alone gives at a time
WARM_UP = 3


def main() -> None:
    args = parse_arguments()
    device = pick_device()
    print(
        f"{torch.cuda.get_device_name() if device.type == 'cuda' else 'no GPU'}, torch {torch.__version__}, ",
        end="",
    )
    print(f"{len(os.sched_getaffinity(0))} cores; {args.backbone}, {args.size}x{args.size}; ", end="")
    print(f"{args.frames} frames of {WIDTH}x{HEIGHT}, h264; frames/s\n")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        video = write_video(root / "video.mp4", args.frames)
        folders = [write_model(root / own, args, seed) for seed, own in enumerate(("detector", "pose"))]
        create_cropzoom(*folders, root / "cropzoom", boxes=BoxSettings(min_confidence=0.0))
        readers = [VideoLibrary.opencv] + [VideoLibrary.dali] * (device.type == "cuda" and _has_dali())
        for reader in readers:
            print(f"{reader.value} alone: {median_rate(lambda own=reader: decode(video, own), args):.0f}")
        print("\n| batch | forward alone | reader | one network | cropzoom |\n|---|---|---|---|---|")
        for batch in args.batches:
            limit = forward_rate(Predictor(folders[0]), batch, args.size)
            for reader in readers:
                over = [f"training.test_batch_size={batch}", f"dali.library={reader.value}"]
                one = Model.from_dir(folders[0], over)
                two = CropZoomModel.from_dir(root / "cropzoom", over)
                rates = [median_rate(lambda own=own: predict(own, video), args) for own in (one, two)]
                print(
                    f"| {batch} | {limit:.0f} | {reader.value} | {rates[0]:.0f} | {rates[1]:.0f} |",
                    flush=True,
                )


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=256, help="height and width of the networks' input")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.set_defaults(batch=16)
    return parser.parse_args(words)


def median_rate(run: Callable[[], int], args: argparse.Namespace) -> float:
    """Return frames/s of the median run; `run` returns how many frames it did."""
    rates = []
    for _ in range(args.repeats):
        begin = time.perf_counter()
        count = run()
        rates.append(count / (time.perf_counter() - begin))
    return statistics.median(rates)


def decode(path: Path, library: VideoLibrary) -> int:
    video = open_video(probe_video(path), library, on_gpu=pick_device().type == "cuda")
    count = sum(len(frames) for frames in video.batches(CHUNK))
    video.close()
    return count


def predict(model: Model | CropZoomModel, video: Path) -> int:
    return len(model.predict_video(video).index)


@torch.inference_mode()
def forward_rate(predictor: Predictor, batch: int, size: int) -> float:
    """Return images/s of the network alone, on images that are where it is."""
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=predictor.device)
    seconds = []
    for _ in range(WARM_UP + 20):
        begin = time.perf_counter()
        with torch.autocast(predictor.device.type, torch.bfloat16, enabled=has_bf16(predictor.device)):
            output = predictor.network(images)
        if predictor.device.type == "cuda":
            torch.cuda.synchronize()
        del output
        seconds.append(time.perf_counter() - begin)
    return batch / statistics.median(seconds[WARM_UP:])


if __name__ == "__main__":
    main()
