"""Time whole commands on a real video beside upstream Lightning Pose: one network; detector and pose model.

    python benchmarks/video_peer.py OPENFIELD_DIR --peer_python .peer/bin/python --peer_script litpose_cpu.py

Both programs train networks on the open field's labels first (ours for long enough that they are sure of
most keypoints: in bfloat16 one that is not finds others), then predict on the first frames of its video, in
turn. Upstream's cropzoom is `predict`, `create_bbox` and `predict --bbox_dir`; ours is one `predict`. Prints
frames/s of whole commands and peak memory, medians, and the limits: decoding alone, and the forward pass
alone in each runtime.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
from training_rate import SETTINGS

NAMES = "[snout, leftear, rightear, tailbase]"


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config, video = prepare(root, args)
        train_all(root, config, args)
        ours = [sys.executable, "-m", "lightning_pose.cli.main", "predict"]
        run([*ours, root / "ours/detector", cut(video, root / "first.mp4", 64)], root)  # tries the runtimes
        run([*ours, root / "ours", root / "first.mp4"], root)
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(args.repeats):
            for kind, commands in commands_of(root, video, args).items():
                found.setdefault(kind, []).append(timed(commands, root))
        report(args, found)
        print(f"\ndecoding alone: {decoding_rate(video):.0f} frames/s")
        print(forward_line(root / "ours/detector"))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("openfield", type=Path, help="DeepLabCut's open-field project")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=256, help="side of the network's input")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=450, help="of our trainings")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--single", action="store_true", help="leave out detector and pose model together")
    parser.add_argument("--peer_python", type=Path, help="python of upstream's own environment")
    parser.add_argument("--peer_script", type=Path, help="script that runs upstream's command line on a CPU")
    args = parser.parse_args()
    args.peer = [args.peer_python, args.peer_script] if args.peer_python else None
    return args


def prepare(root: Path, args: argparse.Namespace) -> tuple[Path, Path]:
    """Write a data folder, a settings file that both programs read, and the first frames of the video."""
    convert = [sys.executable, "-m", "lightning_pose.cli.main", "convert", "dlc"]
    run([*convert, args.openfield, root / "data", "--ood_start", "45"], root)
    (root / "data/videos").mkdir(exist_ok=True)
    numbers = {"size": args.size, "batch": 16, "epochs": 5, "backbone": args.backbone}
    text = SETTINGS.format(data_dir=root / "data", **numbers)
    text = text.replace("[nose, left_ear, right_ear, tail]", NAMES).replace("labels.csv", "CollectedData.csv")
    config = root / "openfield.yaml"
    config.write_text(text)
    source = sorted(path for path in (args.openfield / "videos").iterdir() if path.suffix == ".mp4")[0]
    return config, cut(source, root / "video.mp4", args.frames)


def cut(source: Path, path: Path, frames: int) -> Path:
    """Write the first frames of a video."""
    with av.open(str(source)) as film, av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "20"})
        for number, frame in enumerate(film.decode(video=0)):
            if number == frames:
                break
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def train_all(root: Path, config: Path, args: argparse.Namespace) -> None:
    ours = [sys.executable, "-m", "lightning_pose.cli.main", "train", config, "--cropzoom"]
    overrides = ["model.weights=random", f"training.max_steps={args.steps}", "workflow.crop_ratios=[1.8]"]
    size = f"workflow.crop_size={{height: {args.size}, width: {args.size}}}"
    run([*ours, "--output_dir", root / "ours", "--overrides", *overrides, size], root)
    if args.peer:
        run([*args.peer, "train", config, "--output_dir", root / "upstream"], root)


def commands_of(root: Path, video: Path, args: argparse.Namespace) -> dict[str, list[list[object]]]:
    """Return the commands of each kind."""
    ours: list[object] = [sys.executable, "-m", "lightning_pose.cli.main", "predict"]
    kinds: dict[str, list[list[object]]] = {
        "one network, ours": [[*ours, root / "ours/detector", video, "--overwrite"]]
    }
    theirs = root / "upstream"
    if args.peer:
        predict = [*args.peer, "predict", theirs, video, "--skip_viz", "--overwrite"]
        kinds["one network, upstream"] = [predict]
    if not args.single:
        kinds["cropzoom, ours"] = [[*ours, root / "ours", video, "--overwrite"]]
    if args.peer and not args.single:
        boxes = [*args.peer, "create_bbox", theirs, video, "--crop_ratio", "1.8"]
        kinds["cropzoom, upstream"] = [predict, boxes, [*predict, "--bbox_dir", theirs / "video_preds"]]
    return kinds


def timed(commands: list[list[object]], root: Path) -> tuple[float, float]:
    """Return the seconds of all commands, and the most memory of any, MB."""
    begin, peaks = time.perf_counter(), []
    for command in commands:
        peaks.append(run(command, root))
    return time.perf_counter() - begin, max(peaks)


def run(command: list[object], root: Path) -> float:
    """Run a command; return its peak memory in MB."""
    log = root / "log.txt"
    with open(log, "w") as file:
        words = [str(own) for own in command]
        own_path = "" if words[0] != sys.executable else os.environ.get("PYTHONPATH", "")
        environment = os.environ | {"PYTHONPATH": own_path}  # upstream's package has the name of ours
        process = subprocess.Popen(words, stdout=file, stderr=file, cwd=root, env=environment)
    _, code, usage = os.wait4(process.pid, 0)
    if code:
        sys.exit(f"{' '.join(words)} failed:\n{log.read_text()[-3000:]}")
    return usage.ru_maxrss / 1024


def report(args: argparse.Namespace, found: dict[str, list[tuple[float, float]]]) -> None:
    print(f"{args.backbone}, {args.size}x{args.size}, {args.frames} frames, median of {args.repeats}\n")
    print("| | frames/s | peak, MB |\n|---|---|---|")
    rates = {}
    for kind, runs in found.items():
        rates[kind] = args.frames / statistics.median(seconds for seconds, _ in runs)
        print(f"| {kind} | {rates[kind]:.1f} | {max(peak for _, peak in runs):.0f} |")
    for kind in ("one network", "cropzoom"):
        if f"{kind}, upstream" in rates:
            print(f"\n{kind}: {rates[f'{kind}, ours'] / rates[f'{kind}, upstream']:.1f} times upstream")


def decoding_rate(video: Path) -> float:
    from lightning_pose.io.video import open_video

    own = open_video(video)
    begin = time.perf_counter()
    count = sum(len(frames) for frames in own.batches(16))
    return count / (time.perf_counter() - begin)


def forward_line(model_dir: Path) -> str:
    """Return what `benchmarks/runtimes.py` measures of the forward pass and its decoding."""
    script = Path(__file__).with_name("runtimes.py")
    command = [sys.executable, str(script), "--backbones", "--models", str(model_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else json.dumps(done.stderr[-500:])


if __name__ == "__main__":
    main()
