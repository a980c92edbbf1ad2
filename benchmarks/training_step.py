"""Time a training step of the default network, gradients of depthwise convolutions in float32 or bfloat16.

    python benchmarks/training_step.py

The two are built side by side and take steps in turn, so that a noisy machine slows both.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

import lightning_pose.models.network as network_module
from lightning_pose.geometry.heatmaps import gaussian_targets
from lightning_pose.losses.heatmap import heatmap_loss
from lightning_pose.models.hardware import set_threads
from lightning_pose.settings import HeatmapLoss, ModelSettings

KEYPOINTS, STRIDE = 18, 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=128, help="side of the images")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--freeze_stages", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    print(f"{set_threads()} threads, {args.batch} images of {args.size}x{args.size}, seconds a step (median)")
    settings = ModelSettings(freeze_stages=args.freeze_stages)
    own = Stepper(settings, args)
    in_float32, network_module.train_depthwise_in_float32 = (
        network_module.train_depthwise_in_float32,
        lambda model: None,
    )
    plain = Stepper(settings, args)
    network_module.train_depthwise_in_float32 = in_float32
    seconds: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(args.repeats):
        seconds["float32"].append(own.step())
        seconds["bfloat16"].append(plain.step())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"depthwise gradients in {name}: {median:.3f}")
    print(f"ratio: {medians['bfloat16'] / medians['float32']:.2f}")


class Stepper:
    """A network and its optimizer, on random images."""

    def __init__(self, settings: ModelSettings, args: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.network = network_module.PoseNetwork(settings, KEYPOINTS, STRIDE)
        self.network.to(memory_format=torch.channels_last)
        self.network.train()
        self.images = torch.randint(0, 255, (args.batch, 3, args.size, args.size), dtype=torch.uint8)
        self.keypoints = args.size * torch.rand(args.batch, KEYPOINTS, 2)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, 1e-3, fused=True)
        self.step()

    def step(self) -> float:
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(self.images)
        targets, valid = gaussian_targets(self.keypoints, tuple(logits.shape[-2:]), STRIDE, 0.8)
        loss = heatmap_loss(HeatmapLoss.kl, logits, targets, valid)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - begin


if __name__ == "__main__":
    main()
