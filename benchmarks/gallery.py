"""How long the gallery takes, how large it is, and how soon a browser shows it.

    python benchmarks/gallery.py --data_dir data/chickadee
    python benchmarks/gallery.py --data_dir data/chickadee --frames 5000 --browser chromium

Frames are those of the synthetic chickadee, as copies where there are too few; predictions are its labels
with made-up errors. Timed are `litpose gallery` from nothing, with nothing to do, and with one frame changed;
with --browser (needs playwright) also how soon the first view has its thumbnails over http, and
how long a change of the sorting takes until it is painted.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from lightning_pose.data.cut import crop_image
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.images import decode_image
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Boxes, Labels, Predictions

SETS = {"ind": "CollectedData_merged.csv", "ood": "CollectedData_merged_new.csv"}
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
THUMBS_THERE = """() => { const all = [...document.querySelectorAll('.cell img')];
  return all.length > 0 && all.every((image) => image.complete && image.naturalWidth); }"""
SORT_TIME = """async () => { const begin = performance.now();
  gallery.state.set({ sort: 'deviation' });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - begin; }"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="of litpose create_demo_data")
    parser.add_argument("--frames", type=int, default=360)
    parser.add_argument("--members", type=int, default=6, help="half of them crop")
    parser.add_argument("--config", type=Path, help="for the skeleton")
    parser.add_argument("--keep", type=Path, help="folder to leave the gallery in")
    parser.add_argument("--browser", help="Chromium to show the page with")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = args.keep or Path(folder)
        command, changed = make_results(root, args)
        for what in ("from nothing", "nothing to do"):
            print(f"{what}: {seconds_of(command):.1f} s")
        darken(changed)
        print(f"one frame changed: {seconds_of(command):.1f} s")
        for kind in ("*.js", "frames/*.jpg", "thumbs/*.jpg"):
            size = sum(path.stat().st_size for path in (root / "gallery").glob(kind))
            print(f"{kind}: {size / 1e6:.1f} MB")
        if args.browser:
            show(root / "gallery", args.browser)


def make_results(root: Path, args: argparse.Namespace) -> tuple[list[str], Path]:
    """Write labels, predictions and boxes; return the command, and an image that may be changed."""
    rng = np.random.default_rng(0)
    shares = {"ind": args.frames * 2 // 3, "ood": args.frames - args.frames * 2 // 3}
    members = [("single" if m % 2 == 0 else "pose_1.8", str(m // 2)) for m in range(args.members)]
    for name, csv in SETS.items():
        labels = repeated(read_labels(args.data_dir / csv), shares[name], args.data_dir, root / "data")
        write_labels(labels, root / f"{name}.csv")
        for kind, seed in members:
            write_member(root / f"{kind}_{seed}", name, labels, 12.0 if kind == "single" else 3.0, rng)
    command = [sys.executable, "-m", "lightning_pose.cli.main", "gallery", "--data_dir", str(root / "data")]
    for name in SETS:
        command += [f"--{name}_labels", str(root / f"{name}.csv")]
    for kind, seed in members:
        folder = root / f"{kind}_{seed}"
        command += ["--member", kind, seed, *(str(folder / f"{name}.csv") for name in SETS)]
        if kind != "single":
            command += ["--bbox", kind, seed, *(str(folder / f"bbox_{name}.csv") for name in SETS)]
    command += ["--config", str(args.config)] if args.config else []
    return [*command, "--output", str(root / "gallery" / "index.html")], root / "data" / labels.image_paths[0]


def repeated(labels: Labels, count: int, source: Path, target: Path) -> Labels:
    """Copy images until there are enough of them."""
    rows = np.arange(count) % len(labels.image_paths)
    paths = [f"copy_{i // len(labels.image_paths)}/{labels.image_paths[row]}" for i, row in enumerate(rows)]
    for row, path in zip(rows, paths, strict=True):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / labels.image_paths[row], target / path)
    return Labels(paths, labels.keypoint_names, labels.keypoints_px[rows])


def write_member(folder: Path, name: str, labels: Labels, scale_px: float, rng: np.random.Generator) -> None:
    """Write predictions whose errors have a long tail, and boxes around the labels."""
    errors_px = rng.standard_t(2, labels.keypoints_px.shape) * scale_px * rng.uniform(0.2, 1)
    confidence = np.exp(-np.linalg.norm(errors_px, axis=-1) / 40)
    splits = [("train", "validation", "test")[i % 3] for i in range(len(labels.image_paths))]
    keypoints_px = np.nan_to_num(labels.keypoints_px, nan=100.0) + errors_px
    known = splits if name == "ind" else None
    predictions = Predictions(labels.image_paths, labels.keypoint_names, keypoints_px, confidence, known)
    write_predictions(predictions, folder / f"{name}.csv")
    low, high = np.nanmin(labels.keypoints_px, 1), np.nanmax(labels.keypoints_px, 1)
    side = 1.8 * (high - low).max(1, keepdims=True)
    boxes = np.concatenate([(low + high - side) / 2, side, side], 1).round()
    write_bboxes(Boxes(labels.image_paths, boxes, ["detected"] * len(boxes)), folder / f"bbox_{name}.csv")


def seconds_of(command: list[str]) -> float:
    begin = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - begin


def darken(path: Path) -> None:
    """Change one image."""
    import cv2

    image = decode_image(path, path.read_bytes())
    cv2.imwrite(str(path), crop_image(image // 2, (0, 0, image.shape[1], image.shape[0]), image.shape[:2]))


def show(folder: Path, browser: str) -> None:
    """Print how soon a browser shows the page."""
    from playwright.sync_api import sync_playwright

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        own = driver.chromium.launch(executable_path=shutil.which(browser) or browser, args=list(FLAGS))
        for _ in range(3):
            page = own.new_context().new_page()
            begin = time.monotonic()
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            page.wait_for_function(THUMBS_THERE)
            first = time.monotonic() - begin
            print(f"first view {first:.2f} s; another order {page.evaluate(SORT_TIME):.0f} ms")
        own.close()
    server.shutdown()


if __name__ == "__main__":
    main()
