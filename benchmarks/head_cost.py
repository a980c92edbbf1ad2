"""Time what the head and the decoding of heatmaps add to the backbone, forward and in a training step.

    python benchmarks/head_cost.py

Head and backbone are timed in turn on the same feature maps, so that a noisy machine slows both. Percentages
are of the backbone's time, and for the decoding of the whole forward pass.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from lightning_pose.geometry.heatmaps import decode, gaussian_targets
from lightning_pose.losses.heatmap import heatmap_loss
from lightning_pose.models.hardware import pick_device, set_threads
from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import HeatmapLoss, ModelSettings, Weights

BACKBONES = ("tf_efficientnet_lite0", "resnet18", "resnet50")
KEYPOINTS = 18


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--strides", nargs="+", type=int, default=[4, 2])
    parser.add_argument("--size", type=int, default=256, help="side of the images")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--channels", type=int, default=64, help="model.head_channels")
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    device = pick_device()
    print(f"{device}, {set_threads()} threads, {args.batch} images of {args.size}x{args.size}, bfloat16")
    print("medians; backbone, stride: forward ms of backbone, head (share), decoding (share of forward);")
    print("                  training step ms of backbone, head (share)")
    for backbone in args.backbones:
        for stride in args.strides:
            report(Timed(backbone, stride, args, device), args.repeats)


class Timed:
    """A network, and its parts by themselves."""

    def __init__(self, backbone: str, stride: int, args: argparse.Namespace, device: torch.device) -> None:
        torch.manual_seed(0)
        settings = ModelSettings(backbone=backbone, weights=Weights.random, head_channels=args.channels)
        self.name, self.stride, self.device = backbone, stride, device
        self.network = PoseNetwork(settings, KEYPOINTS, stride).to(device, memory_format=torch.channels_last)
        self.hw = (args.size, args.size)
        shape = (args.batch, 3, *self.hw)
        self.images = torch.randint(0, 255, shape, dtype=torch.uint8, device=device)
        keypoints = args.size * torch.rand(args.batch, KEYPOINTS, 2, device=device)
        cells = (args.size // stride, args.size // stride)
        self.targets, self.valid = gaussian_targets(keypoints, cells, stride, 1.25)
        with self.autocast(), torch.no_grad():
            self.maps = self.network.eval().features(self.images)
            self.logits = self.network.head(self.maps, self.hw)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16)

    def backbone_forward(self) -> None:
        with self.autocast(), torch.inference_mode():
            self.network.eval().features(self.images)

    def head_forward(self) -> None:
        with self.autocast(), torch.inference_mode():
            self.network.eval().head(self.maps, self.hw)

    def decoding(self) -> None:
        with torch.inference_mode():
            decode(self.logits, self.stride)

    def backbone_step(self) -> None:
        with self.autocast():
            maps = self.network.train().features(self.images)
            loss = torch.stack([feature.float().mean() for feature in maps]).sum()
        loss.backward()

    def head_step(self) -> None:
        maps = [feature.detach().requires_grad_() for feature in self.maps]
        with self.autocast():
            logits = self.network.train().head(maps, self.hw)
        heatmap_loss(HeatmapLoss.kl, logits, self.targets, self.valid).backward()


def report(timed: Timed, repeats: int) -> None:
    """Print one network's times."""
    parts = (
        timed.backbone_forward, timed.head_forward, timed.decoding, timed.backbone_step, timed.head_step
    )  # fmt: skip
    times: list[list[float]] = [[] for _ in parts]
    for repeat in range(repeats + 1):
        for part, seconds in zip(parts, times, strict=True):
            took = clock(part, timed.device)
            if repeat:  # the first time warms up
                seconds.append(1e3 * took)
    backbone, head, decoding, backbone_step, head_step = map(statistics.median, times)
    print(
        f"{timed.name}, {timed.stride}: {backbone:.1f}, {head:.1f} ({head / backbone:.0%}), "
        f"{decoding:.1f} ({decoding / (backbone + head):.1%}); "
        f"{backbone_step:.1f}, {head_step:.1f} ({head_step / backbone_step:.0%})",
        flush=True,
    )


def clock(part: Callable[[], None], device: torch.device) -> float:
    """Return the seconds that a part takes."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    part()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
