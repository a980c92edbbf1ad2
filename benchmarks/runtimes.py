"""Time each runtime on networks of several backbones, and measure how far its keypoints lie from torch's.

    python benchmarks/runtimes.py
    python benchmarks/runtimes.py --models outputs/single_0 outputs/pose_0 --images 32

Prints images/s of forward pass and decoding, the median of repeats that are taken in turn, so that a busy
machine slows all alike; and the distance of keypoints in pixels of the network's input. Random weights draw
no peaks: parity is only told of trained models (`--models`), on images of their own labels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.runtimes.base import Session, TrainedNetwork
from lightning_pose.inference.runtimes.parity import Parity, compare
from lightning_pose.inference.runtimes.registry import all_names, missing, runtime_of
from lightning_pose.io.crop_manifest import crops_dir
from lightning_pose.io.labels import read_labels
from lightning_pose.machine import cpu_model, reuse_memory
from lightning_pose.models.hardware import pick_device, set_threads
from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import ModelSettings, RuntimeName, Weights

BACKBONES = ("resnet18", "resnet50", "tf_efficientnet_lite0")
KEYPOINTS = 8
Subject = tuple[str, TrainedNetwork, np.ndarray, bool]  # name, network, images, whether it is trained


def main() -> None:
    args = parse_arguments()
    reuse_memory()  # as predictors do
    print(f"{cpu_model()}, {set_threads()} threads; {args.images} images at a time, {args.repeats} repeats")
    print("| network | runtime | images/s | median px | 99 % px | largest px | ready after s |")
    print("|---|---|---|---|---|---|---|")
    for name, own, images, is_trained in [*untrained(args), *trained(args)]:
        report(name, own, images, is_trained, args)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--models", nargs="*", type=Path, default=[], help="folders of trained models")
    parser.add_argument("--runtimes", nargs="*", default=[name.value for name in all_names()])
    parser.add_argument("--size", type=int, default=256, help="side of the images of untrained networks")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    return parser.parse_args()


def untrained(args: argparse.Namespace) -> Iterator[Subject]:
    """Yield networks of random weights, and noise."""
    device, shape = pick_device(), (3, args.size, args.size)
    images = np.random.default_rng(0).integers(0, 256, (args.images, *shape), dtype=np.uint8)
    for backbone in args.backbones:
        torch.manual_seed(0)
        network = PoseNetwork(ModelSettings(backbone, Weights.random), KEYPOINTS, 4).eval()
        network = network.to(device, memory_format=torch.channels_last)
        own = TrainedNetwork(partial(_same, network), device, shape, f"benchmark {backbone}")
        yield backbone, own, images, False


def _same(network: PoseNetwork) -> PoseNetwork:
    return network


def trained(args: argparse.Namespace) -> Iterator[Subject]:
    """Yield trained models, and images that they were labelled on."""
    for folder in args.models:
        predictor = Predictor(folder)
        data = predictor.settings.data
        csv = Path(data.csv_file)
        csv = csv if csv.is_file() else Path(data.data_dir) / csv
        paths = read_labels(csv).image_paths[: args.images]
        batches = predictor.batches(paths, crops_dir(csv) or Path(data.data_dir))
        yield folder.name, predictor.trained, np.concatenate([images for images, _ in batches]), True


def report(
    name: str, own: TrainedNetwork, images: np.ndarray, is_trained: bool, args: argparse.Namespace
) -> None:
    """Print a line for each runtime of a network."""
    exact = runtime_of(RuntimeName.torch).build(own)(images)
    sessions: dict[str, Session] = {}
    parity: dict[str, Parity] = {}
    ready_s: dict[str, float] = {}
    for runtime in (RuntimeName(text) for text in args.runtimes):
        if missing(runtime, own.device) is not None:
            print(f"| {name} | {runtime.value} | {missing(runtime, own.device)} | | | | |")
            continue
        begin = time.perf_counter()
        session = runtime_of(runtime).build(own)
        found = session(images)
        ready_s[runtime.value] = time.perf_counter() - begin
        sessions[runtime.value], parity[runtime.value] = session, compare(exact, found)
    for runtime_name, rate in rates(sessions, images, args.repeats).items():
        told = parity[runtime_name]
        far = f"{told.median_px:.3f} | {told.p99_px:.3f} | {told.max_px:.3f}" if is_trained else " | | "
        print(f"| {name} | {runtime_name} | {rate:.1f} | {far} | {ready_s[runtime_name]:.1f} |", flush=True)


def rates(sessions: dict[str, Session], images: np.ndarray, repeats: int) -> dict[str, float]:
    """Return the images/s of each, medians of repeats that are taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(repeats):
        for name, session in sessions.items():
            begin = time.perf_counter()
            session(images)
            seconds[name].append(time.perf_counter() - begin)
    return {name: len(images) / statistics.median(own) for name, own in seconds.items()}


if __name__ == "__main__":
    main()
