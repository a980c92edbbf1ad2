"""A video that lies in a store: fetched for the job that predicts on it, and by nobody else."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.io.video_writer import write_video
from tests.integration.conftest import snakemake

pytest.importorskip("snakemake_storage_plugin_http")
pytestmark = pytest.mark.slow
FRAMES, HEIGHT, WIDTH = 4, 96, 128
PREDICTIONS = "results/tiny/cropzoom_0_1.8/video_preds/film.mp4/predictions.csv"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """Serve a folder with a video on loopback; its address."""
    folder = tmp_path / "store"
    with write_video(folder / "film.mp4", (HEIGHT, WIDTH), np.arange(FRAMES) / 30) as writer:
        for number in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def name_video(project: Path, url: str) -> None:
    """Add a video to the config."""
    config = project / "config" / "tiny.yaml"
    config.write_text(config.read_text().replace("workflow:\n", f"workflow:\n  videos: ['{url}']\n"))


def test_a_video_of_a_store_is_predicted_on_and_not_kept(project: Path, store: str) -> None:
    name_video(project, f"{store}/film.mp4")
    planned = snakemake(project, PREDICTIONS, "--dry-run")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert f"{store}/film.mp4 (retrieve from storage)" in planned.stdout + planned.stderr
    done = snakemake(project, PREDICTIONS)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    rows = (project / PREDICTIONS).read_text().splitlines()
    assert len(rows) == 3 + FRAMES
    assert not list((project / ".snakemake" / "storage").rglob("*.mp4"))
    again = snakemake(project, PREDICTIONS, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_video_that_the_store_does_not_have_is_named(project: Path, store: str) -> None:
    name_video(project, f"{store}/other.mp4")
    done = snakemake(project, PREDICTIONS.replace("film", "other"), "--dry-run")
    assert done.returncode != 0
    assert "other.mp4" in done.stdout + done.stderr and "Missing input files" in done.stdout + done.stderr
