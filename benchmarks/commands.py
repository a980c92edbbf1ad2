"""Run `litpose` as a user does, and see what it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any


def measured(*arguments: object, **popen: Any) -> tuple[float, float, float]:
    """Run a command to its end; return seconds, seconds of processor time and megabytes at most."""
    command = [sys.executable, "-m", "lightning_pose.cli.main", *map(str, arguments)]
    started = time.monotonic()
    process = subprocess.Popen(command, **popen)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"litpose {arguments[0]} failed: {status}")
    return time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
