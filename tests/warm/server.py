"""Runs `litpose` and `snakemake` in forks of itself: it has imported what they import, and computed nothing.

The integration tests start hundreds of commands, most of whose time is the import of torch and Snakemake. A
client (`client.py`) stands for the command: it hands over its arguments, environment, folder and open files,
passes signals on, and ends as the command ends. If the client is killed, so is the command.

    python -m tests.warm.server SOCKET
"""

import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import traceback

import lightning_pose.cli
from lightning_pose.cli.main import WAITING

HEAVY = ("lightning_pose.training.fit", "lightning_pose.training.run", "lightning_pose.inference.run",
         "lightning_pose.inference.video", "lightning_pose.data.crops", "lightning_pose.evaluation.plots",
         "timm", "snakemake.cli", "snakemake.api")  # fmt: skip
MESSAGE_BYTES = 1 << 20
LOST = 1  # exit code of an exception that nobody caught


def litpose(arguments):
    from lightning_pose.cli.main import main

    return main(arguments)


def snakemake(arguments):
    from snakemake.cli import main

    return main(arguments)


COMMANDS = {"litpose": litpose, "snakemake": snakemake}


def be_the_command(request, files):
    """Take over the client's files, folder and environment, run, and leave as a command does."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["program"], *request["arguments"]]
    code = LOST
    try:
        code = COMMANDS[request["command"]](request["arguments"])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0 if left.code is None else LOST
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)


def look_after(connection):
    """Run one command in a fork; pass the client's signals on; answer with the command's wait status."""
    message, files, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
    request = json.loads(message)
    pid = os.fork()
    if pid == 0:
        connection.close()
        be_the_command(request, files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(pid)
    while True:
        ready, _, _ = select.select([ended, connection], [], [])
        if ended in ready:
            _, status = os.waitpid(pid, 0)
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(status.to_bytes(4, "big"))
            return
        numbers = connection.recv(64)
        for number in numbers or [signal.SIGKILL]:
            os.kill(pid, number)
        if not numbers:
            os.waitpid(pid, 0)
            return


def main(path):
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    commands = pkgutil.iter_modules(lightning_pose.cli.__path__, "lightning_pose.cli.")
    own = [module.name for module in commands]
    for name in (*HEAVY, *own):
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:  # closed: whoever started this has ended
                return
            connection, _ = server.accept()
            reap()
            if os.fork() == 0:
                server.close()
                look_after(connection)
                os._exit(0)
            connection.close()


def reap():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main(sys.argv[1])
