"""A variant with losses on unlabelled video: its detector boxes the videos, and nobody else is concerned."""

import shutil
from pathlib import Path

import pytest

import lightning_pose
from lightning_pose.config import load_config
from lightning_pose.io.bboxes import read_bboxes
from tests.integration.conftest import ROOT, lay_out, planned, snakemake

pytestmark = pytest.mark.slow

FRAMES = 34
MODEL = "results/tiny/pose-temporal_0_1.8/model.safetensors"
PLAIN = "results/tiny/pose_0_1.8/model.safetensors"
VARIANT = """
  variants:
    temporal: {settings: {model: {losses_to_use: [temporal]}}}
"""


def config() -> str:
    text = (ROOT / "tests" / "fixtures" / "tiny.yaml").read_text().rstrip() + VARIANT
    text = text.replace("video_frames: 0", f"video_frames: {FRAMES}")
    return text.replace("data_dir: data/tiny\n", "data_dir: data/tiny\n  video_dir: data/tiny/videos\n")


def would_run(folder: Path, target: str) -> str:
    done = snakemake(folder, target, "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_variant_gets_its_videos_and_their_boxes(tmp_path) -> None:
    lay_out(tmp_path, "tiny", config())
    done = snakemake(tmp_path, MODEL)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    crops = tmp_path / "results/tiny/crop_0_1.8"
    for video in ("ind_session0.mp4", "ind_session1.mp4", "ood_session0.mp4"):
        assert read_bboxes(crops / video / "bbox.csv").index == list(range(FRAMES))
    data = load_config((tmp_path / MODEL).with_name("config.yaml")).data
    assert data.bbox_dir == "results/tiny/crop_0_1.8"
    assert [Path(name).name for name in data.video_dir] == [
        "ind_session0.mp4", "ind_session1.mp4", "ood_session0.mp4"
    ]  # fmt: skip
    assert "Nothing to be done" in would_run(tmp_path, MODEL)
    package = tmp_path / "source"
    shutil.copytree(Path(lightning_pose.__file__).parent, package / "lightning_pose")
    loss = package / "lightning_pose" / "losses" / "unsupervised.py"
    loss.write_text(loss.read_text() + "EXTRA = 1\n")
    assert planned(tmp_path, package, [MODEL]) == {"train_pose": 1}  # its detector has no such loss
    own = tmp_path / "config" / "tiny.yaml"
    assert "predict_video" not in would_run(tmp_path, PLAIN)
    own.write_text(own.read_text() + "losses: {temporal: {epsilon: 3}}\n")
    again = would_run(tmp_path, MODEL)
    assert "train_pose" in again and "train_detector" not in again and "predict_video" not in again
    (tmp_path / "data/tiny/videos/ind_session0.mp4").unlink()
    own.write_text(own.read_text().replace("video_dir: data/tiny/videos", "video_dir: data/tiny/nothing"))
    missing = snakemake(tmp_path, MODEL, "--dry-run")
    assert missing.returncode != 0
    assert "data.video_dir: expected a video" in missing.stdout + missing.stderr
