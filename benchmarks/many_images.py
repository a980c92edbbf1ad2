"""Cost of each step that touches every labelled image, per image, on many small synthetic files.

python benchmarks/many_images.py --images 2000 10000

Steps: `litpose index_images` (checks and checksums), `litpose crop` (the first time, then with nothing to
do), the test for damaged crops that the workflow makes while it builds the DAG, what a training compares to
tell whether it is stale, and a dry run of Snakemake, which looks at each image too. Processor time is told
beside the wall clock, for machines that are busy. Files are in the page cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from dag_scale import dry_run, lay_out

from lightning_pose.cli.main import main as litpose
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.crop_manifest import damaged_crops
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.settings import Settings
from lightning_pose.training.origin import origin_of
from lightning_pose.types import Boxes, Labels

HEIGHT, WIDTH, CROP = 48, 64, 32
A_FOLDER = 1000  # images


def draw(data: Path, count: int) -> None:
    """Write small images, labels and boxes."""
    content = cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    names = [f"labeled-data/session{i // A_FOLDER:04d}/img{i % A_FOLDER:08d}.jpg" for i in range(count)]
    for name in names:
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write_labels(Labels(names, ["beak"], np.full((count, 1, 2), 20.0)), data / "labels.csv")
    write_bboxes(Boxes(names, np.tile([10.0, 10.0, 24.0, 24.0], (count, 1))), data / "bbox.csv")


def measure(action: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and processor seconds, those of child processes too."""
    before, start = _processor(), time.perf_counter()
    action()
    return time.perf_counter() - start, _processor() - before


def _processor() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def steps(data: Path, output: Path) -> dict[str, Callable[[], object]]:
    """Return what is measured, in order."""
    labels, crops = data / "labels.csv", output / "crops"
    index = ["index_images", f"--labels={labels}", f"--data_dir={data}", f"--output={output}/images.json"]
    crop = ["crop", f"--labels={labels}", f"--bbox={data}/bbox.csv", f"--data_dir={data}"]
    crop += [f"--output_dir={crops}", f"--crop_size={CROP}x{CROP}"]
    return {
        "index_images: check and checksum": lambda: litpose(index),
        "crop, the first time": lambda: litpose(crop),
        "crop, nothing to do": lambda: litpose(crop),
        "DAG: crops missing or cut short?": lambda: damaged_crops(crops / "labels.csv" / "crops.json"),
        "training: stale?": lambda: origin_of(Settings(), read_labels(labels), data),
    }


def measure_dry_run(folder: Path, count: int) -> None:
    """Print the seconds of planning everything up to the plots, when nothing is known of the images yet."""
    lay_out(folder, 0, 2, 1, None)
    draw(folder / "data", count)
    seconds = dry_run(folder, "results/large/ood_plots.pdf")["processor"]
    print(f"dry run, {count:,} images: {seconds:.1f} s of processor", flush=True)


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 10000])
    args = parser.parse_args()
    for count in (1, *args.images):
        with tempfile.TemporaryDirectory() as temporary:
            measure_dry_run(Path(temporary), count)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("| step | images | wall, us an image | processor, us an image |\n|---|---|---|---|")
    for count in args.images:
        with tempfile.TemporaryDirectory() as temporary:
            data, output = Path(temporary) / "data", Path(temporary) / "out"
            draw(data, count)
            for name, action in steps(data, output).items():
                seconds, processor = measure(action)
                print(f"| {name} | {count:,} | {1e6 * seconds / count:.0f} | {1e6 * processor / count:.0f} |",
                      flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
