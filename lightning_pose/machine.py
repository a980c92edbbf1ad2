"""What of this machine the process may use."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import platform
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
LARGEST_BLOCK, MOST_UNUSED = 1 << 30, (1 << 31) - 1  # bytes


def usable_cores() -> int:
    """Return the number of cores that this process may run on, which a scheduler may have limited."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def job_cores() -> int:
    """Return how many cores to use: as many as the job was given (``OMP_NUM_THREADS``), if they are there."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(given), usable_cores()) if given.isdecimal() and int(given) > 0 else usable_cores()


def reuse_memory() -> None:
    """Let glibc keep what is freed for the next batch or frame.

    By default it hands blocks of 32 MB and more back to the kernel each time, and the page faults of fetching
    them again cost a tenth of a training, a fifth of predicting by torch and a third of cropping.
    """
    with suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
        libc.mallopt(TRIM_THRESHOLD, MOST_UNUSED)


def end_with_parent() -> None:
    """Let a worker process end when the one that started it does, however that ended.

    By itself, a worker whose parent was killed waits for its next task for ever.
    """
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@cache
def cpu_model() -> str:
    """Return the name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def cache_dir() -> Path:
    """Return the user's folder for what can be made again (``XDG_CACHE_HOME``)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "litpose"
