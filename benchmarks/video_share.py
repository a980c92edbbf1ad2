"""Say what share of a training step the unlabelled video takes: waiting for its frames, and its forward pass.

    python benchmarks/video_share.py --backbone resnet50 --batch 64 --library dali

Trains a network from random weights on synthetic labelled images, without and with a temporal loss on
sequences of a synthetic video, and times how long the training waits for labelled images and for sequences.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_rate import make_data
from video_speed import write_video

from lightning_pose.config import load_config
from lightning_pose.io.files import read_json
from lightning_pose.io.labels import read_labels
from lightning_pose.training import data as training_data
from lightning_pose.training.fit import fit

WARM_UP = 5  # batches that do not count


def main() -> None:
    args = parse_arguments()
    print(
        f"{args.backbone}, {args.batch} labelled images, sequences of {args.frames} frames, {args.library}\n"
    )
    print("| | ms a step | waiting for labelled images | waiting for video |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config = make_data(root, args)
        write_video(root / "data/videos/video.mp4", args.video_frames)
        for losses in ("[]", "[temporal]"):
            print(row(losses, config, root / f"model{len(losses)}", args), flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=256, help="side of the network's input")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=720, help="nine tenths of them are trained on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--frames", type=int, default=16, help="in a sequence")
    parser.add_argument("--video_frames", type=int, default=2000)
    parser.add_argument("--library", default="auto", choices=["auto", "opencv", "dali"])
    return parser.parse_args()


def row(losses: str, config: Path, folder: Path, args: argparse.Namespace) -> str:
    """Train, and return a line of the table."""
    waited: dict[str, float] = defaultdict(float)
    whole_loader = training_data.TrainingData.train_dataloader

    def loader(self: Any) -> Any:
        found = whole_loader(self)
        if isinstance(found, training_data.WithVideo):
            found.labelled = Timed(found.labelled, waited, "labelled")  # type: ignore[assignment]
            found.video = Timed(found.video, waited, "video")  # type: ignore[assignment]
            return found
        return Timed(found, waited, "labelled")

    settings = load_config(
        config,
        ["model.weights=random", f"model.losses_to_use={losses}", f"dali.library={args.library}",
         f"dali.base.train.sequence_length={args.frames}"],
        warn=False,
    )  # fmt: skip
    labels = read_labels(Path(settings.data.data_dir) / settings.data.csv_file)
    training_data.TrainingData.train_dataloader = loader  # type: ignore[method-assign]
    try:
        fit(settings, labels, folder)
    finally:
        training_data.TrainingData.train_dataloader = whole_loader  # type: ignore[method-assign]
    status = read_json(folder / "train_status.json")
    assert status is not None
    steps, begun = status["total_steps"] - WARM_UP, waited["begun"]
    total = time.monotonic() - begun
    shares = " | ".join(f"{100 * waited[own] / total:.0f} %" for own in ("labelled", "video"))
    name = "supervised" if losses == "[]" else "with video"
    return f"| {name} | {1000 * total / steps:.0f} | {shares} |"


class Timed:
    """A loader whose waiting times are added up, from the first batch after the warm-up on."""

    def __init__(self, loader: Any, waited: dict[str, float], name: str) -> None:
        self.loader, self.waited, self.name = loader, waited, name

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        for number in range(len(self.loader)):
            if number == WARM_UP and self.name == "labelled":
                self.waited["begun"] = time.monotonic()
            begin = time.monotonic()
            batch = next(batches)
            if number >= WARM_UP:
                self.waited[self.name] += time.monotonic() - begin
            yield batch


if __name__ == "__main__":
    main()
