"""Time and memory of a dry run against the number of jobs: videos x seeds x crop ratios.

python benchmarks/dag_scale.py                         (10, 100, 300 and 1,000 videos x 5 seeds x 2 ratios)
python benchmarks/dag_scale.py --videos 1000 --profile dag.prof

Nothing runs: the folder has the workflow, a config, four labelled images and videos of a few frames, whose
headers are read for the time that jobs ask for. Processor time is told beside the wall clock, for machines
that are busy. --told names every job, as a dry run does unless it is asked for less (--quiet rules).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_pose.io.video_writer import write_video

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1024  # of the kilobytes that Linux counts in
IMAGES, FRAMES, FRAME_HW = 4, 8, (48, 64)


def copy_workflow(folder: Path) -> None:
    """Put the workflow into a folder, without configs."""
    shutil.copy(ROOT / "Snakefile", folder)
    for part in ("workflow", "envs"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "profiles", folder, follow_symlinks=False)


def lay_out(folder: Path, videos: int, seeds: int, ratios: int, shard_frames: int | None) -> None:
    """Put the workflow, a config and its data into a folder."""
    copy_workflow(folder)
    data = folder / "data"
    (data / "images").mkdir(parents=True)
    (data / "videos").mkdir()
    for csv in ("labels.csv", "labels_new.csv"):
        rows = ["scorer,me,me", "bodyparts,beak,beak", "coords,x,y"]
        for number in range(IMAGES):
            name = f"images/{csv[:-4]}_{number}.png"
            Image.new("RGB", (64, 48)).save(data / name)
            rows.append(f"{name},5,6")
        (data / csv).write_text("\n".join(rows) + "\n")
    names = [f"videos/session_{number:05d}.mp4" for number in range(videos)]
    with write_video(data / "video.mp4", FRAME_HW, np.arange(FRAMES) / 30) as writer:
        for _ in range(FRAMES):
            writer.write(np.zeros((*FRAME_HW, 3), np.uint8))
    for name in names:
        os.link(data / "video.mp4", data / name)
    listed = ", ".join(names)
    shards = "" if shard_frames is None else f"  shard_frames: {shard_frames}\n"
    (folder / "config").mkdir()
    (folder / "config" / "large.yaml").write_text(
        "data: {data_dir: data}\nworkflow:\n  ind_csv: labels.csv\n  ood_csv: labels_new.csv\n"
        f"  seeds: {list(range(seeds))}\n  crop_ratios: {[round(1.5 + 0.1 * n, 1) for n in range(ratios)]}\n"
        f"{shards}  videos: [{listed}]\n"
    )


def dry_run(
    folder: Path, target: str = "videos", profile: Path | None = None, is_told: bool = False
) -> dict[str, float]:
    """Return jobs, seconds, processor seconds and megabytes of a dry run."""
    snakemake = [
        sys.executable,
        *(["-m", "cProfile", "-o", str(profile)] if profile else []),
        "-m",
        "snakemake",
    ]
    quiet = [] if is_told else ["--quiet", "rules"]
    command = [*snakemake, target, "--cores", "8", "--dry-run", *quiet]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    output = done.stdout + done.stderr
    total = re.search(r"^total\s+(\d+)", output, re.MULTILINE)
    if "This was a dry-run" not in output or total is None:  # a profiler hides the exit code
        raise SystemExit(output[-4000:])
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "jobs": int(total[1]),
        "seconds": seconds,
        "processor": processor,
        "megabytes": after.ru_maxrss / MEGABYTE,  # of the largest child: sizes are run in ascending order
    }


def main() -> None:
    """Measure each size and fit a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, nargs="+", default=[10, 100, 300, 1000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ratios", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="write a profile of the last run here")
    parser.add_argument("--told", action="store_true", help="name every job")
    args = parser.parse_args()
    print("| videos | jobs | wall, s | processor, s | memory, MB |\n|---|---|---|---|---|")
    found = []
    for videos in sorted(args.videos):
        with tempfile.TemporaryDirectory() as temporary:
            lay_out(Path(temporary), videos, args.seeds, args.ratios, None)
            own = dry_run(Path(temporary), "videos", args.profile, args.told)
        found.append(own)
        print(
            f"| {videos} | {own['jobs']:,} | {own['seconds']:.1f} | {own['processor']:.1f} "
            f"| {own['megabytes']:.0f} |",
            flush=True,
        )
    if len(found) > 1:
        jobs = [own["jobs"] / 1000 for own in found]
        for name, unit in (("seconds", "s"), ("processor", "s"), ("megabytes", "MB")):
            slope, start = np.polyfit(jobs, [own[name] for own in found], 1)
            print(f"{name}: {start:.1f} {unit} + {slope:.2f} {unit} per 1,000 jobs")


if __name__ == "__main__":
    main()
