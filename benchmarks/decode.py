"""Time each reader of videos on a generated h264 video with B-frames, frame after frame and here and there.

    python benchmarks/decode.py --frames 1000

Prints frames/s of each reader, and of the decoder alone: PyAV without turning frames into RGB arrays, which
is the most that any reader on it could reach. The readers take turns; the median of their runs is reported.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from video_speed import HEIGHT, WIDTH, write_video

from lightning_pose.io.video import Video, open_video
from lightning_pose.io.video_facts import VideoFacts, probe_video
from lightning_pose.machine import job_cores
from lightning_pose.settings import VideoLibrary

BATCH = 16
CLIP = 32  # frames read at a random place, as a training on unlabelled video does


def main() -> None:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "video.mp4", args.frames)
        begin = time.perf_counter()
        facts = probe_video(path)
        scan_s = time.perf_counter() - begin
        libraries = [VideoLibrary(name) for name in args.readers]
        differences = {own.value: difference(facts, own) for own in libraries}
        runs: dict[str, Callable[[], int]] = {"decoder alone": lambda: bare(path)}
        runs |= {f"{own.value}, in turn": lambda own=own: in_turn(facts, own) for own in libraries}
        runs |= {
            f"{own.value}, {CLIP} at a place": lambda own=own: at_places(facts, own) for own in libraries
        }
        rates = time_runs(runs, args.repeats)
    cores = len(os.sched_getaffinity(0))
    print(f"{args.frames} frames of {WIDTH}x{HEIGHT}, h264 with B-frames; {cores} cores; scan {scan_s:.2f} s")
    for name, own in rates.items():
        print(f"{name}: {np.median(own):.0f} frames/s (runs: {', '.join(f'{rate:.0f}' for rate in own)})")
    told = ", ".join(f"{name} {own:.3f}" for name, own in differences.items())
    print(f"mean difference from PyAV's frames, grey levels: {told}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [own.value for own in VideoLibrary if own is not VideoLibrary.auto]
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--readers", nargs="+", choices=names, default=["pyav", "opencv"])
    return parser.parse_args()


def time_runs(runs: dict[str, Callable[[], int]], repeats: int) -> dict[str, list[float]]:
    """Return the frames/s of each run, each time; they take turns, so that a busy machine slows all alike."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.perf_counter()
            count = run()
            rates[name].append(count / (time.perf_counter() - begin))
    return rates


def bare(path: Path) -> int:
    """Decode a video with PyAV alone, on as many threads as our reader; return how many frames there were."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = job_cores()
        return sum(1 for _ in container.decode(stream))


def in_turn(facts: VideoFacts, library: VideoLibrary) -> int:
    video = opened(facts, library)
    count = sum(len(frames) for frames in video.batches(BATCH))
    video.close()
    return count


def at_places(facts: VideoFacts, library: VideoLibrary) -> int:
    video, places = opened(facts, library), np.random.default_rng(0)
    starts = places.integers(0, facts.frame_count - CLIP, 10)
    count = sum(len(video.read(int(start), CLIP)) for start in starts)
    video.close()
    return count


def difference(facts: VideoFacts, library: VideoLibrary) -> float:
    """Return the mean difference of a reader's first frames from those of PyAV, in grey levels."""
    own, other = opened(facts, library), opened(facts, VideoLibrary.pyav)
    count = min(100, facts.frame_count)
    return float(np.abs(own.read(0, count).astype(float) - other.read(0, count)).mean())


def opened(facts: VideoFacts, library: VideoLibrary) -> Video:
    return open_video(facts, library, on_gpu=library is VideoLibrary.dali)


if __name__ == "__main__":
    main()
