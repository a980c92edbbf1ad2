"""The commands that are disturbed, what they read, and what must be true of the files they leave."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from lightning_pose.models.weights_file import damage_of_archive

# made anew by each run, with times in them; only their structure can be held against anything
VOLATILE = ("provenance.json", "train_status.json", "last.ckpt")
WITHOUT_PROMISE = "tb_logs"  # curves grow as they are drawn
PATIENCE_S = 120
FULL = "RELIABILITY_FULL" in os.environ  # as `make reliability` sets it


@dataclass(frozen=True)
class Step:
    """A command whose outputs all lie in one folder; ``OUT`` in its arguments stands for it.

    Another of the same kind (`rival`) writes the same files with other contents. A folder (`model`) is
    copied into the outputs' before.
    """

    name: str
    arguments: tuple[str, ...]
    rival: tuple[str, ...] = ()
    model: Path | None = None

    def into(self, out: Path) -> list[str]:
        return [text.replace("OUT", str(out)) for text in self.arguments]

    def other(self) -> "Step":
        return replace(self, arguments=self.rival)

    def prepare(self, out: Path) -> Path:
        out.mkdir()
        if self.model is not None:
            shutil.copytree(self.model, out / self.model.name)
        return out


def final_files(out: Path) -> dict[str, bytes]:
    """Return what lies under final names, as anybody would read it now."""
    found = {}
    for path in out.rglob("*"):
        name = str(path.relative_to(out))
        if any(part.startswith(".") for part in Path(name).parts) or WITHOUT_PROMISE in Path(name).parts:
            continue
        try:
            found[name] = path.read_bytes() if path.is_file() else None
        except OSError:  # gone meanwhile
            continue
    return {name: content for name, content in found.items() if content is not None}


def lasting(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if Path(name).name not in VOLATILE}


def partial_files(files: dict[str, bytes], whole: dict[str, bytes]) -> list[str]:
    """Return the final names that hold anything else than all of what an undisturbed run puts there."""
    wrong = []
    for name, content in files.items():
        if Path(name).name == "last.ckpt":
            continue  # read when it lies still: see `checkpoint_is_whole`
        if Path(name).name in VOLATILE:
            try:
                json.loads(content)
            except ValueError:
                wrong.append(name)
        elif content != whole.get(name):
            wrong.append(name)
    return wrong


def checkpoint_is_whole(out: Path) -> bool:
    path = out / "checkpoints" / "last.ckpt"
    if not path.is_file():
        return True
    return damage_of_archive(path) is None and "batches" in torch.load(path, weights_only=True)


@dataclass
class Watcher:
    """Reads the folder again and again while a command runs, and keeps the names that were ever partial."""

    out: Path
    whole: dict[str, bytes]
    looks: int = 0
    partial: set[str] = field(default_factory=set)

    def __enter__(self):
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self):
        while not self._done.is_set():
            self.partial |= set(partial_files(final_files(self.out), self.whole))
            self.looks += 1
            time.sleep(0.003)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


class Zygote:
    """The process that forks commands; see `tests.reliability.zygote`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert json.loads(self._process.stdout.readline())["ready"]

    def run(self, step: Step, out: Path, **disturbance) -> dict:
        """Run a step; see `serve` for disturbances. The answer has its messages and changes, too."""
        log, count = self.folder / "log.txt", self.folder / "count.txt"
        count.unlink(missing_ok=True)
        request = {"arguments": step.into(out), "folder": str(out), "log": str(log), "count_file": str(count)}
        self._process.stdin.write(json.dumps({**request, **disturbance}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        changes = int(count.read_text()) if count.is_file() else None
        return {**answer, "messages": log.read_text(errors="replace"), "changes": changes}

    def run_two(self, steps: Sequence[Step], out: Path, change: int) -> dict:
        """Run the second while the first stands just before its n-th change; with the messages of both."""
        logs = [self.folder / f"log_{number}.txt" for number in range(2)]
        requests = [
            {"arguments": step.into(out), "folder": str(out), "log": str(log), "change": number,
             "count_file": str(self.folder / "count.txt")}
            for step, log, number in zip(steps, logs, (change, None), strict=True)
        ]  # fmt: skip
        for log in logs:
            log.write_text("")
        self._process.stdin.write(json.dumps({"two": requests}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return {**answer, "messages": [log.read_text(errors="replace") for log in logs]}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)


def processes_of(session: int) -> list[str]:
    """Return the command lines of a session's processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(stat.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def left_behind(session: int, patience_s: float = 10.0) -> list[str]:
    """Return the command lines of a session's processes that are there after some patience."""
    end = time.monotonic() + patience_s
    while (found := processes_of(session)) and time.monotonic() < end:
        time.sleep(0.1)
    return found
