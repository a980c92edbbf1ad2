"""Runs commands in forks of itself, which has imported everything and computed nothing, and kills them.

One JSON request a line on standard input, one JSON answer a line on standard output. A fork ends just
before the n-th change that it makes to files of a folder, or after some seconds.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

MODULES = ("inference.run", "inference.video", "data.crops", "data.crop_video", "training.run",
           "training.fit", "inference.remap", "evaluation.plots", "io.formats.dlc")  # fmt: skip
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LOST = 99  # exit code of an exception that nobody caught


def end_at(change, folder, count_file):
    """Count what the process does to files of a folder; end at the n-th, None = only count."""
    done = 0

    def watch(event, arguments):
        nonlocal done
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if not (is_write or event in CHANGES) or not str(arguments[0]).startswith(folder):
            return
        done += 1
        if done == change:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return lambda: Path(count_file).write_text(str(done))


def run_fork(request):
    """Be the command, in a session of its own."""
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    if request.get("file_bytes") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    finish = end_at(request.get("change"), request["folder"], request["count_file"])
    from lightning_pose.cli.main import main

    code = LOST
    try:
        code = main(request["arguments"])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else LOST
    except BaseException:
        import traceback

        traceback.print_exc()
    if request.get("file_bytes") is None:
        finish()
    sys.stderr.flush()
    os._exit(code)


def serve(request):
    """Fork, wait, send the signal that was asked for."""
    begin, pid = time.monotonic(), os.fork()
    if pid == 0:
        run_fork(request)
    sent = []

    def send():
        sent.append(time.monotonic())
        os.kill(pid, request["signal"])

    timer = threading.Timer(request["seconds"], send) if request.get("seconds") is not None else None
    if timer:
        timer.start()
    _, status = os.waitpid(pid, 0)
    end = time.monotonic()
    if timer:
        timer.cancel()
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "seconds": end - begin, "pid": pid, "after": end - sent[0] if sent else None}


if __name__ == "__main__":
    import importlib

    for name in MODULES:
        importlib.import_module(f"lightning_pose.{name}")
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)
