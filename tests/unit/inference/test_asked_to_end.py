"""A prediction that is asked to end leaves soon, keeps finished parts, and goes on to the same result."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.unit.io.films import write_film

FRAMES = 3 * 1024


@pytest.mark.slow
def test_a_prediction_leaves_when_asked_and_goes_on(trained, tmp_path) -> None:
    film = write_film(tmp_path / "film.mp4", FRAMES)
    model = shutil.copytree(trained.detector, tmp_path / "detector")

    def start(name):
        command = [sys.executable, "-m", "lightning_pose.cli.main", "predict", str(model), str(film)]
        output = tmp_path / name / "predictions.csv"
        return subprocess.Popen([*command, "--output", str(output)], stderr=subprocess.PIPE, text=True)

    parts = tmp_path / "ended" / ".predictions.parts"
    ended = start("ended")
    while ended.poll() is None and not list(parts.glob("part_*.npz")):
        time.sleep(0.02)
    asked = time.monotonic()
    for _ in range(3):  # a scheduler may say so more than once
        ended.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert ended.wait(60) == 128 + signal.SIGTERM
    assert time.monotonic() - asked < 20
    left = [path.name for path in (tmp_path / "ended").iterdir()]
    assert left == [parts.name]
    assert not list(parts.glob(".*"))
    again = start("ended")
    assert "parts are there from before" in again.communicate(timeout=250)[1]
    assert start("whole").wait(250) == 0
    results = [(tmp_path / name / "predictions.csv").read_bytes() for name in ("ended", "whole")]
    assert results[0] == results[1]
