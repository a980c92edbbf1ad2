"""Time whole trainings from the command line, against a bare loop and upstream Lightning Pose.

    python benchmarks/training_rate.py --backbone resnet18
    python benchmarks/training_rate.py --peer_python .peer/bin/python --peer_script litpose_cpu.py

All train the same network from random weights on the same images with the same settings file, in turn.

- ours: `litpose train`, all images of all epochs over all seconds from the first step to the last, with
  loading and augmentation; the median of the repeats.
- bare: forward, loss, backward and step of the same network on random tensors in the same number format.
- upstream: all images of all epochs over all seconds from the end of its first step to the end of its fit,
  with loading and augmentation (and its one validation at the end).
- upstream's steps alone: its batch size over its median seconds a step, without loading.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from lightning_pose.io.labels import write_labels
from lightning_pose.types import Labels

KEYPOINTS = ["nose", "left_ear", "right_ear", "tail"]
HEIGHT, WIDTH = 480, 640
WARM_UP = 3  # steps of the bare loop that do not count

SETTINGS = """
data:
  image_resize_dims: {{width: {size}, height: {size}}}
  data_dir: {data_dir}
  video_dir: {data_dir}/videos
  csv_file: labels.csv
  num_keypoints: 4
  keypoint_names: [nose, left_ear, right_ear, tail]
  mirrored_column_matches: null
  columns_for_singleview_pca: null
training:
  imgaug: dlc
  train_batch_size: {batch}
  val_batch_size: {batch}
  test_batch_size: {batch}
  train_prob: 0.9
  val_prob: 0.1
  train_frames: 1
  num_gpus: 1
  early_stop_patience: 3
  unfreezing_epoch: 0
  min_epochs: {epochs}
  max_epochs: {epochs}
  log_every_n_steps: 10
  check_val_every_n_epoch: {epochs}
  rng_seed_data_pt: 0
  rng_seed_model_pt: 0
  optimizer: Adam
  optimizer_params: {{learning_rate: 1e-3}}
  lr_scheduler: multisteplr
  lr_scheduler_params: {{multisteplr: {{milestones: [{epochs}], gamma: 0.5}}}}
model:
  losses_to_use: []
  backbone: {backbone}
  model_type: heatmap
  heatmap_loss_type: mse
  model_name: rate
  checkpoint: null
dali:
  base: {{train: {{sequence_length: 16}}, predict: {{sequence_length: 64}}}}
  context: {{train: {{batch_size: 6}}, predict: {{sequence_length: 64}}}}
losses:
  pca_multiview: {{log_weight: 10.7, components_to_keep: 3, epsilon: null}}
  pca_singleview: {{log_weight: 10.7, components_to_keep: 0.99, epsilon: null}}
  temporal: {{log_weight: 10.7, epsilon: 20, prob_threshold: 0.05}}
eval: {{predict_vids_after_training: false, save_vids_after_training: false,
  test_videos_directory: null, confidence_thresh_for_vid: 0.9, colormap: cool}}
callbacks:
  anneal_weight: {{attr_name: total_unsupervised_importance, init_val: 0.0, increase_factor: 0.01,
    final_val: 1.0, freeze_until_epoch: 0}}
"""


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config = make_data(root, args)
        found: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
        if args.peer_python:
            found["upstream"] = []
        for repeat in range(args.repeats):
            found["ours"].append(ours(root / f"ours_{repeat}", config))
            found["bare"].append(bare(config, args))
            if args.peer_python:
                found["upstream"].append(upstream(root / f"upstream_{repeat}", config, args))
    report(args, found)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=256, help="side of the network's input")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--images", type=int, default=72, help="nine tenths of them are trained on")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer_python", type=Path, help="python of upstream's own environment")
    parser.add_argument("--peer_script", type=Path, help="script that runs upstream's command line on a CPU")
    args = parser.parse_args()
    if bool(args.peer_python) != bool(args.peer_script):
        parser.error("--peer_python and --peer_script go together")
    return args


def make_data(root: Path, args: argparse.Namespace) -> Path:
    """Write images, labels and a settings file that both programs read."""
    rng = np.random.default_rng(0)
    data_dir = root / "data"
    (data_dir / "images").mkdir(parents=True)
    (data_dir / "videos").mkdir()
    paths = [f"images/img{row:04d}.png" for row in range(args.images)]
    for path in paths:
        coarse = rng.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), dtype=np.uint8)
        cv2.imwrite(str(data_dir / path), cv2.resize(coarse, (WIDTH, HEIGHT)))
    keypoints_px = rng.uniform(20, HEIGHT - 20, (args.images, len(KEYPOINTS), 2))
    write_labels(Labels(paths, KEYPOINTS, keypoints_px), data_dir / "labels.csv")
    config = root / "rate.yaml"
    numbers = {key: getattr(args, key) for key in ("size", "batch", "epochs", "backbone")}
    config.write_text(SETTINGS.format(data_dir=data_dir, **numbers))
    return config


def ours(folder: Path, config: Path) -> dict[str, float]:
    """Train with the command line; return images a second, seconds to the first step, peak MB."""
    command = [sys.executable, "-m", "lightning_pose.cli.main", "train", str(config)]
    overrides = ["--skip_predict", "--overrides", "model.weights=random"]
    log, status = folder.with_suffix(".log"), folder / "train_status.json"
    process, begun = start([*command, "--output_dir", str(folder), *overrides], log)
    while not status.exists() and is_running(process):
        time.sleep(0.01)
    first = time.monotonic() - begun
    peak = wait(process, log)
    numbers = json.loads(status.read_text())
    return {"rate": numbers["images_per_s"], "first_step_s": first, "peak_mb": peak}


def upstream(folder: Path, config: Path, args: argparse.Namespace) -> dict[str, float]:
    times, log = folder.with_suffix(".json"), folder.with_suffix(".log")
    command = [str(args.peer_python), str(args.peer_script), "train", str(config), "--output_dir"]
    begun = time.time()
    process, _ = start([*command, str(folder)], log, PEER_TIMES=str(times), PYTHONPATH="")
    peak = wait(process, log)
    record = json.loads(times.read_text())  # written when the fit ends
    trained_s = times.stat().st_mtime - begun - record["first_step_s"]
    pairs = zip(record["batch"][1:], record["step_s"][1:], strict=True)
    whole = [seconds for count, seconds in pairs if count == args.batch]
    return {
        "rate": sum(record["batch"][1:]) / trained_s,
        "steps_rate": args.batch / statistics.median(whole),
        "first_step_s": record["first_step_s"],
        "peak_mb": peak,
    }


def start(command: list[str], log: Path, **environment: str) -> tuple[subprocess.Popen, float]:
    begun = time.monotonic()
    with open(log, "w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | environment)
    return process, begun


def is_running(process: subprocess.Popen) -> bool:
    """Say whether a process has not ended, and leave its end for `wait` to see."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def wait(process: subprocess.Popen, log: Path) -> float:
    """Wait for a process; return its peak memory in MB."""
    _, code, usage = os.wait4(process.pid, 0)
    if code:
        sys.exit(log.read_text()[-2000:])
    return usage.ru_maxrss / 1024


def bare(config: Path, args: argparse.Namespace) -> dict[str, float]:
    """Time a loop over random tensors in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--bare", str(config), str(args.epochs * args.images * 9 // 10)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout)


def bare_loop(config: Path, images: int) -> None:
    import torch

    from lightning_pose.config import load_config
    from lightning_pose.geometry.heatmaps import gaussian_targets
    from lightning_pose.losses.heatmap import heatmap_loss
    from lightning_pose.machine import reuse_memory
    from lightning_pose.models.build import build_network
    from lightning_pose.models.hardware import pick_device, resolve_precision, set_threads
    from lightning_pose.settings import Precision

    set_threads()
    reuse_memory()
    settings = load_config(config, ["model.weights=random"], warn=False)
    device, dims, size = (
        pick_device(),
        settings.data.image_resize_dims,
        settings.training.train_batch_size,
    )
    network = build_network(settings, len(KEYPOINTS)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    batch = torch.randint(0, 256, (size, 3, dims.height, dims.width), dtype=torch.uint8, device=device)
    keypoints = torch.rand(size, len(KEYPOINTS), 2, device=device) * dims.height
    half = resolve_precision(settings.training.precision, device) is Precision.bf16
    seconds = []
    for _ in range(WARM_UP + max(images // size, 5)):
        begun = time.monotonic()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = network(batch)
            targets, valid = gaussian_targets(
                keypoints, tuple(logits.shape[-2:]), network.stride, settings.model.heatmap_sigma
            )
            loss = heatmap_loss(settings.model.heatmap_loss_type, logits, targets, valid)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": size / statistics.median(seconds[WARM_UP:]), "peak_mb": peak}))


def report(args: argparse.Namespace, found: dict[str, list[dict[str, float]]]) -> None:
    print(f"{args.backbone}, {args.size}x{args.size}, batch {args.batch}, median of {args.repeats}\n")
    print("| | images/s | first step, s | peak, MB |\n|---|---|---|---|")
    rates = {}
    for name, runs in found.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        rates[name] = middle["rate"]
        if "steps_rate" in middle:
            rates[f"{name}'s steps alone ({middle['steps_rate']:.1f})"] = middle["steps_rate"]
        first = f"{middle['first_step_s']:.1f}" if "first_step_s" in middle else ""
        print(f"| {name} | {middle['rate']:.1f} | {first} | {middle['peak_mb']:.0f} |")
    print()
    for name, rate in rates.items():
        if name != "ours":
            print(f"ours over {name}: {rates['ours'] / rate:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--bare":
        bare_loop(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
