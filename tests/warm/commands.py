"""Commands that start at once: `litpose` and `snakemake` of the server in `server.py`."""

import atexit
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

CLIENT = Path(__file__).with_name("client.py")


@cache
def warm_commands() -> Path:
    """Start the server, once in a process; return a folder with the commands."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    socket = folder / "socket"
    command = [sys.executable, "-m", "tests.warm.server", str(socket)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment())
    assert server.stdout is not None and server.stdout.readline() == b"ready\n"
    atexit.register(_end, server, folder)
    for name in ("litpose", "snakemake"):
        text = CLIENT.read_text().replace("@SOCKET@", str(socket))
        (folder / name).write_text(f"#!{sys.executable} -IS\n{text}")
        (folder / name).chmod(stat.S_IRWXU)
    return folder


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(CLIENT.parents[2])}


def _end(server: subprocess.Popen, folder: Path) -> None:
    server.communicate()  # closes its standard input, at which it leaves
    shutil.rmtree(folder, ignore_errors=True)
