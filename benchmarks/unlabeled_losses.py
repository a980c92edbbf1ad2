"""Say what losses on unlabelled video did: their value on a held-out video, and the OOD error.

    snakemake --cores 8 results/chickadee-semi/ood_plots.pdf
    python benchmarks/unlabeled_losses.py

Every pose model sees the same sequences of the held-out video, cropped by the boxes of its own detector,
without augmentation. Mean and standard error over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from lightning_pose.config import load_config
from lightning_pose.data.clips import find_clips
from lightning_pose.data.dataset import select_rows
from lightning_pose.data.unlabeled import UnlabeledSequences
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.video_boxes import boxes_for_videos
from lightning_pose.io.labels import read_labels
from lightning_pose.models.hardware import has_bf16
from lightning_pose.settings import Settings
from lightning_pose.training.unsupervised import UnsupervisedLosses

SEQUENCES = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="chickadee-semi")
    parser.add_argument("--video", default="ood_session0.mp4", help="in the data folder's videos/")
    args = parser.parse_args()
    config = load_config(f"config/{args.dataset}.yaml", warn=False)
    root, workflow = Path("results") / args.dataset, config.workflow
    names = sorted(
        {
            name
            for variant in workflow.variants.values()
            for name in variant["settings"].get("model", {}).get("losses_to_use", [])
        }
    )
    ratio = workflow.crop_ratios[0]
    print("| model | " + " | ".join(f"{name}, held-out video" for name in names) + " | OOD error, px |")
    print("|---" * (len(names) + 2) + "|")
    errors = ood_errors(root / "ood_metrics.csv")
    for variant in ("", *(f"-{name}" for name in workflow.variants)):
        rows = []
        for seed in workflow.seeds:
            folder = root / f"pose{variant}_{seed}_{ratio}"
            video = Path(config.data.data_dir) / "videos" / args.video
            boxes = boxes_for_videos(root / f"single_{seed}", [video], workflow)
            rows.append(held_out(folder, names, video, boxes, config))
        kind = f"pose_{ratio}{variant}"
        columns = [spread([row[name] for row in rows]) for name in names]
        print(f"| {kind} | " + " | ".join(columns) + f" | {spread(errors[kind])} |")


def ood_errors(path: Path) -> dict[str, list[float]]:
    """Return the mean error out of distribution of each member, by kind."""
    rows = pd.read_csv(path, low_memory=False)
    rows = rows[(rows.figure == "samples") & (rows.statistic == "pixel_error") & (rows.set == "OOD")]
    means = rows.astype({"value": float}).groupby(["kind", "seed"]).value.mean()
    return {kind: means[kind].tolist() for kind in means.index.get_level_values("kind").unique()}


@torch.inference_mode()
def held_out(folder: Path, names: list[str], video: Path, boxes: Path, config: Settings) -> dict[str, float]:
    """Return the mean of each loss over sequences spread over a video."""
    predictor = Predictor(folder)
    settings = predictor.settings
    settings = replace(
        settings,
        data=replace(
            settings.data,
            video_dir=[str(video)],
            bbox_dir=str(boxes),
            columns_for_singleview_pca=config.data.columns_for_singleview_pca,
        ),
        model=replace(settings.model, losses_to_use=names),
        losses=config.losses,
        dali=config.dali,
    )
    labels = read_labels(settings.data.csv_file)
    rows = [row for row, path in enumerate(labels.image_paths) if predictor.splits[path] == "train"]
    losses = UnsupervisedLosses(settings, select_rows(labels, rows), predictor.network.stride)
    dims, length = settings.data.image_resize_dims, settings.dali.base.train.sequence_length
    sequences = UnlabeledSequences(find_clips(settings), dims.height, dims.width, length)
    values: dict[str, list[float]] = {name: [] for name in names}
    for step in range(SEQUENCES):  # the same draws for every model
        sample = sequences[step]
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(predictor.device)):
            output = predictor.network(sample["images"])
        decoded = predictor.network.soft_decode(output)
        found = losses(predictor.network.heatmaps(output), sample["model_to_frame"], decoded)
        for name, value in found.items():
            values[name].append(float(value))
    return {name: statistics.mean(own) for name, own in values.items()}


def spread(values: list[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
