"""Runs commands in forks of itself, which has imported everything and computed nothing, and kills them.

One JSON request a line on standard input, one JSON answer a line on standard output. A fork ends just
before the n-th change that it makes to files of a folder, or after some seconds; or it removes the folder
there, or stops until another fork has ended or waits for it.
"""

import fcntl
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

MODULES = ("inference.run", "inference.video", "data.crops", "data.crop_video", "training.run",
           "training.fit", "inference.remap", "evaluation.plots", "io.formats.dlc")  # fmt: skip
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MESSAGE_BYTES = 1 << 20
LOST = 99  # exit code of an exception that nobody caught
WAITS = "waiting for another command"  # what a command says that waits for one which writes the same


def end_at(change, folder, count_file, act):
    """Count what the process does to files of a folder; act at the n-th, None = only count."""
    done = 0

    def watch(event, arguments):
        nonlocal done
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if not (is_write or event in CHANGES) or not str(arguments[0]).startswith(folder):
            return
        done += 1
        if done == change:
            act()

    sys.addaudithook(watch)
    return lambda: Path(count_file).write_text(str(done))


def run_fork(request):
    """Be the command, in a session of its own."""
    os.setsid()
    log = request.get("pipe") or os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    if request.get("file_bytes") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    acts = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
        "remove": lambda: shutil.rmtree(request["folder"], ignore_errors=True),
    }
    act = acts[request.get("at_change", "kill")]
    finish = end_at(request.get("change"), request["folder"], request["count_file"], act)
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


def serve_without_room(request):
    """Let a fork write small files only, but all of its messages, which would be cut in a file."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, MESSAGE_BYTES)
    try:
        answer = serve({**request, "pipe": writer})
        os.write(writer, b"\n")  # lest there is nothing to read
        Path(request["log"]).write_bytes(os.read(reader, MESSAGE_BYTES))
    finally:
        os.close(reader)
        os.close(writer)
    return answer


def serve(request):
    """Fork, wait, send the signal that was asked for."""
    begin, pid = time.monotonic(), fork(request)
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


def fork(request):
    pid = os.fork()
    if pid == 0:
        run_fork(request)
    return pid


def serve_two(first, second):
    """Stop the first at a change, until the second has ended or waits for it; say how both ended."""
    stopped = fork({**first, "at_change": "stop"})
    _, status = os.waitpid(stopped, os.WUNTRACED)
    codes = [None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)]
    other = fork(second)
    done, status, waits = 0, 0, False
    while not done and not waits:
        time.sleep(0.01)
        waits = WAITS in Path(second["log"]).read_text(errors="replace") if codes[0] is None else False
        done, status = os.waitpid(other, os.WNOHANG)
    if codes[0] is None:
        os.kill(stopped, signal.SIGCONT)
        codes = [os.waitstatus_to_exitcode(os.waitpid(stopped, 0)[1])]
    if not done:
        _, status = os.waitpid(other, 0)
    return {"codes": [*codes, os.waitstatus_to_exitcode(status)], "waited": waits}


if __name__ == "__main__":
    import importlib

    for name in MODULES:
        importlib.import_module(f"lightning_pose.{name}")
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "two" in request:
            answer = serve_two(*request["two"])
        else:
            answer = (serve if request.get("file_bytes") is None else serve_without_room)(request)
        print(json.dumps(answer), flush=True)
