"""Run a command and report its wall time and the peak memory of each kind of process below it.

    python benchmarks/watch.py make demo

Run it in a fresh clone to measure what a new user waits for.
"""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

INTERVAL_S = 0.25
SHOWN = 6


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    begin = time.perf_counter()
    with subprocess.Popen(sys.argv[1:]) as process:
        peaks: dict[str, int] = {}
        while process.poll() is None:
            for name, memory in memories(psutil.Process(process.pid)):
                peaks[name] = max(peaks.get(name, 0), memory)
            time.sleep(INTERVAL_S)
    print(f"\nwall time: {time.perf_counter() - begin:.0f} s, exit code {process.returncode}")
    for name, memory in sorted(peaks.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"{memory / 1e9:.2f} GB at most: {name}")
    return process.returncode


def memories(parent: psutil.Process) -> list[tuple[str, int]]:
    """Return the resident memory of a process and of all below it, by the first words of their commands."""
    found = []
    try:
        processes = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []
    for process in processes:
        try:
            words = [word.rsplit("/", 1)[-1] for word in process.cmdline()[:4]]
            found.append((" ".join(words)[:80], process.memory_info().rss))
        except psutil.Error:  # it ended
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
