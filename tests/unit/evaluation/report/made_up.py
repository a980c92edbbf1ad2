"""A made-up folder of results as the workflow lays it out: two detectors, two pose models, a left-over."""

import struct
import zlib
from pathlib import Path

import numpy as np

from lightning_pose.config import load_config, to_yaml
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.files import seal, write_json
from lightning_pose.io.predictions import write_pixel_errors
from lightning_pose.types import Boxes

KEYPOINTS = ["beak", "<script>alert(1)</script>"]  # a name that must stay text
IND, OOD = "ind.csv", "ood.csv"
FRAMES = {IND: [f"day 1/img{n}.png" for n in range(9)], OOD: [f"day 2/img{n}.png" for n in range(12)]}
SPLITS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 3
CONFIG = """
data: {data_dir: data, csv_file: ind.csv, image_resize_dims: {height: 64, width: 64}}
training: {max_steps: 30, rng_seed_model_pt: SEED}
model: {backbone: BACKBONE}
workflow: {ind_csv: ind.csv, ood_csv: ood.csv, seeds: [0, 1], crop_ratios: [1.8]}
"""
# mean errors by member, on OOD frames; two seeds of each kind lie symmetrically about 10 and 4 px
MEANS = {"single_0": 9.0, "single_1": 11.0, "pose_0_1.8": 3.5, "pose_1_1.8": 4.5}
LEFT_OVER = "pose-old_0_1.8"


def make_results(folder: Path, members=tuple(MEANS)) -> Path:
    """Write the results of some members; return the folder."""
    results = folder / "results" / "bird <1>"
    for member in members:
        write_model(results / member)
        for csv in (IND, OOD):
            write_errors(results / member, csv, MEANS[member])
    for csv in (IND, OOD):
        entries = {name: {"sha256": "", "context": {}} for name in FRAMES[csv]}
        write_json({"labels": csv, "images": entries}, results / "data" / csv / "images.json")
        statuses = ["detected"] * (len(FRAMES[csv]) - 1) + ["fallback"]
        boxes = Boxes(FRAMES[csv], np.tile([1.0, 2, 30, 30], (len(FRAMES[csv]), 1)), statuses)
        write_bboxes(boxes, results / "crop_0_1.8" / csv / "bbox.csv")
    (results / LEFT_OVER).mkdir()
    write_benchmark(results / "benchmarks" / "train_detector.single_0.tsv", 90, "800.5", "150.0")
    write_benchmark(results / "benchmarks" / "train_detector.single_1.tsv", 30, "700.5", "30.0")
    write_benchmark(results / "benchmarks" / "score" / "single_0" / "image_preds" / "a.tsv", 0.5, "-", "NA")
    return results


def write_model(folder: Path, backbone: str = "") -> None:
    """Write what a training leaves, but for curves."""
    seed = folder.name.split("_")[1]
    own = backbone or ("resnet18" if folder.name.startswith("single") else "mobilenetv3_small_050")
    folder.mkdir(parents=True)
    (folder / "given.yaml").write_text(CONFIG.replace("SEED", seed).replace("BACKBONE", own))
    (folder / "config.yaml").write_text(to_yaml(load_config(folder / "given.yaml")))
    (folder / "given.yaml").unlink()
    write_json(seal(dict(zip(FRAMES[IND], SPLITS, strict=True))), folder / "splits.json")
    (folder / "model.safetensors").write_bytes(b"weights")


def write_errors(folder: Path, csv: str, mean: float, frames: list[str] | None = None) -> None:
    """Write predictions' errors: of a frame all its keypoints err alike, about the mean."""
    rng = np.random.default_rng(3)  # members share what is hard, and differ by their means
    names = frames or FRAMES[csv]
    noise = rng.uniform(-1, 1, (len(names), 1))
    errors = mean + np.repeat(noise - noise.mean(), len(KEYPOINTS), axis=1)
    splits = SPLITS if csv == IND else None
    is_pose = folder.name.startswith("pose")
    own = folder / "image_preds" / (f"cropped_{csv}" if is_pose else csv)
    stem = "remapped_predictions" if is_pose else "predictions"
    write_pixel_errors(own / f"{stem}_pixel_error.csv", names, KEYPOINTS, errors, splits)
    (own / f"{stem}.csv").touch()


def write_benchmark(path: Path, seconds: float, memory: str, cpu: str) -> None:
    """Write a file as Snakemake 9 does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
    path.write_text(f"{header}\n{seconds}\t0:00:01\t{memory}\t-\t-\t-\t0.00\t0.00\t0.00\t{cpu}\n")


def write_png(path: Path, width: int = 3, height: int = 2) -> None:
    """Write a small picture without any library."""
    rows = b"".join(b"\0" + b"\x7f" * 3 * width for _ in range(height))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in (*parts, (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
