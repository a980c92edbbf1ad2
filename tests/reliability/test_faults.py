"""Kills, signals, full disks: whatever happens to a command, finished work stays and the rest can be made.

RELIABILITY_FULL makes as many attempts as docs/reliability.md tells of; without it a few are made.
"""

import os
import random
import signal
import subprocess

import pytest

from tests.reliability.bench import (
    FULL,
    Watcher,
    checkpoint_is_whole,
    final_files,
    lasting,
    left_behind,
    partial_files,
)

pytestmark = pytest.mark.reliability

NAMES = ("train", "predict", "predict_video", "create_bbox", "crop_images", "crop_video", "remap", "score",
         "plot_ood", "convert")  # fmt: skip
SOME = NAMES if FULL else ("train", "predict", "crop_images", "plot_ood", "convert")
KILLS, SIGNALS, DISKS, REMOVALS = (24, 6, 4, 4) if FULL else (2, 1, 1, 1)
GONE_S = 20
SAID = {0, 130, 143}  # exit codes: it was done already, SIGINT, SIGTERM


def assert_whole(out, whole, what):
    assert not partial_files(final_files(out), whole), what
    assert checkpoint_is_whole(out), what


def restart(zygote, step, out, whole):
    """Give the command again, undisturbed: it ends with the very files of an undisturbed run."""
    answer = zygote.run(step, out)
    assert answer["code"] == 0, answer["messages"]
    found = lasting(final_files(out))
    assert found.keys() == lasting(whole).keys()
    assert found == lasting(whole)


@pytest.mark.parametrize("attempt", range(KILLS))
@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_moment(name, attempt, steps, zygote, undisturbed, tmp_path, tally) -> None:
    """By turns at a change to a file, and at a moment of the clock."""
    whole, seconds, changes = undisturbed(name)
    dice = random.Random(f"{name} {attempt}")
    when = (
        {"change": dice.randint(1, changes)}
        if attempt % 2 == 0
        else {"seconds": dice.uniform(0, seconds), "signal": signal.SIGKILL}
    )
    out = tmp_path / "out"
    out.mkdir()
    with Watcher(out, whole) as watcher:
        answer = zygote.run(steps[name], out, **when)
    assert answer["code"] == -signal.SIGKILL or "seconds" in when, answer["messages"]
    assert not watcher.partial and watcher.looks
    assert_whole(out, whole, when)
    assert not left_behind(answer["pid"])
    restart(zygote, steps[name], out, whole)
    tally[f"kills {name}"] += answer["code"] == -signal.SIGKILL
    tally["looks at running commands"] += watcher.looks


@pytest.mark.parametrize("attempt", range(SIGNALS))
@pytest.mark.parametrize("name", NAMES)
def test_asked_to_end(name, attempt, steps, zygote, undisturbed, tmp_path, tally) -> None:
    whole, seconds, _ = undisturbed(name)
    dice = random.Random(f"{name} {attempt} signal")
    number = signal.SIGTERM if attempt % 2 == 0 else signal.SIGINT
    out = tmp_path / "out"
    out.mkdir()
    answer = zygote.run(steps[name], out, seconds=dice.uniform(0.1, seconds), signal=number)
    asleep = {-number}  # before the command listens
    assert answer["code"] in SAID | asleep, answer["messages"]
    assert answer["after"] is None or answer["after"] < GONE_S
    assert_whole(out, whole, number)
    assert not left_behind(answer["pid"])
    restart(zygote, steps[name], out, whole)
    tally[f"signals {signal.Signals(number).name}"] += answer["after"] is not None


@pytest.mark.parametrize("attempt", range(DISKS))
@pytest.mark.parametrize("name", NAMES)
def test_no_room_for_a_file(name, attempt, steps, zygote, undisturbed, tmp_path, tally) -> None:
    """A limit on the size of files, which fails a write as a full disk or a quota does."""
    whole, _, _ = undisturbed(name)
    largest = max(len(content) for path, content in lasting(whole).items())
    out = tmp_path / "out"
    out.mkdir()
    limit = random.Random(f"{name} {attempt} disk").randrange(largest)
    answer = zygote.run(steps[name], out, file_bytes=limit)
    assert answer["code"] == 2, (limit, answer["messages"])
    assert "Traceback" not in answer["messages"]
    assert_whole(out, whole, limit)
    restart(zygote, steps[name], out, whole)
    tally["full disks"] += 1


@pytest.mark.parametrize("attempt", range(REMOVALS))
@pytest.mark.parametrize("name", SOME)
def test_a_folder_that_vanishes(name, attempt, steps, zygote, undisturbed, tmp_path, tally) -> None:
    """Somebody removes the folder of the outputs just before a change to a file in it."""
    whole, _, changes = undisturbed(name)
    out = tmp_path / "out"
    out.mkdir()
    change = random.Random(f"{name} {attempt} removed").randint(1, changes - 1)  # the last one is of the lock
    answer = zygote.run(steps[name], out, change=change, at_change="remove")
    assert answer["code"] in (0, 2), answer["messages"]
    assert "Traceback" not in answer["messages"]
    if answer["code"] == 0:  # it was removed before there was anything to lose
        assert lasting(final_files(out)) == lasting(whole)
    else:
        assert_whole(out, whole, change)
    restart(zygote, steps[name], out, whole)
    tally["folders removed"] += 1
    tally["removed folders that a command told of"] += answer["code"] == 2


@pytest.fixture
def disk(tmp_path):
    """A disk of our own; return what mounts it again with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True).returncode == 0

    if os.getuid() or not mount("size=4k"):
        pytest.skip("may not mount a disk")
    yield folder, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("name", SOME)
def test_a_full_disk_and_then_room(name, steps, zygote, undisturbed, disk, tally) -> None:
    whole, _, _ = undisturbed(name)
    folder, remount = disk
    size = sum(map(len, lasting(whole).values()))
    assert remount(f"size={max(size // 2048 * 1024, 4096)}")
    out = folder / "out"
    out.mkdir()
    answer = zygote.run(steps[name], out)
    assert answer["code"] == 2, answer["messages"]
    assert "Traceback" not in answer["messages"]
    assert_whole(out, whole, name)
    assert remount("size=64m")
    restart(zygote, steps[name], out, whole)
    tally["full disks"] += 1


@pytest.mark.parametrize("name", NAMES)
def test_a_read_only_folder(name, steps, zygote, undisturbed, disk, tally) -> None:
    whole, _, _ = undisturbed(name)
    folder, remount = disk
    (folder / "out").mkdir()
    assert remount("size=64m,ro")
    answer = zygote.run(steps[name], folder / "out")
    assert answer["code"] == 2, answer["messages"]
    assert "Traceback" not in answer["messages"]
    assert remount("size=64m,rw")
    restart(zygote, steps[name], folder / "out", whole)
    tally["read-only folders"] += 1
