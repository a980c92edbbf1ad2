"""DALI shows the same frames as OpenCV."""

import numpy as np
import pytest

from lightning_pose.io.video import open_video
from lightning_pose.io.video_dali import DaliVideo
from lightning_pose.io.video_facts import probe_video
from lightning_pose.io.video_opencv import OpenCvVideo
from lightning_pose.io.video_pyav import PyAvVideo
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import UserError
from tests.unit.io.barcodes import HEIGHT, WIDTH, write_codes
from tests.unit.io.films import draw, write_film

COUNT = 80


def has_gpu() -> bool:
    torch = pytest.importorskip("torch")
    return bool(torch.cuda.is_available())


def compare(path, on_gpu: bool) -> None:
    facts = probe_video(path)
    opencv, dali = OpenCvVideo(facts), open_video(facts, VideoLibrary.dali, on_gpu)
    assert dali.frame_hw() == opencv.frame_hw()
    for start, count in ((0, COUNT), (37, 5), (3, 1), (COUNT - 1, 1)):
        expected, found = opencv.read(start, count), dali.read(start, count)
        assert found.dtype == np.uint8 and found.shape == expected.shape
        assert np.abs(found.astype(float) - expected).mean() <= 1


@pytest.mark.parametrize(("codec", "ending"), [("libvpx-vp9", "webm"), ("mjpeg", "avi")])
def test_the_same_frames_on_the_cpu(tmp_path, codec, ending) -> None:
    pytest.importorskip("nvidia.dali", reason="DALI is not installed (the gpu extra)")
    compare(write_film(tmp_path / f"a.{ending}", COUNT, codec), on_gpu=False)


@pytest.mark.gpu
def test_the_frames_that_were_drawn_on_a_gpu(tmp_path) -> None:
    pytest.importorskip("nvidia.dali", reason="DALI is not installed (the gpu extra)")
    if not has_gpu():
        pytest.skip("there is no GPU")
    video = open_video(write_film(tmp_path / "a.mp4", COUNT), VideoLibrary.dali, on_gpu=True)
    drawn = np.stack([draw(number) for number in range(COUNT)]).astype(float)
    for start, count in (
        (0, COUNT),
        (37, 5),
        (3, 1),
        (COUNT - 1, 1),
    ):  # OpenCV's grey is 2 levels off at times
        assert np.abs(video.read(start, count) - drawn[start : start + count]).mean() <= 1


@pytest.mark.parametrize(
    ("degrees", "flips", "hw"),
    [
        (90, (False, False), (WIDTH, HEIGHT)),
        (180, (False, False), (HEIGHT, WIDTH)),
        (0, (True, False), (HEIGHT, WIDTH)),
    ],
)
def test_turned_videos_are_decoded_by_pyav(tmp_path, monkeypatch, caplog, degrees, flips, hw) -> None:
    monkeypatch.setattr("lightning_pose.io.video._has_dali", lambda: True)
    monkeypatch.setattr("lightning_pose.io.video_dali._build", lambda _: None)
    path = write_codes(tmp_path / "a.mp4", 3, degrees=degrees, flips=flips)
    video = open_video(path, VideoLibrary.dali, on_gpu=True)
    assert isinstance(video, PyAvVideo) and video.frame_hw() == hw
    assert "decoded by PyAV, as turned videos are" in caplog.text
    upright = write_codes(tmp_path / "b.mp4", 3)
    assert isinstance(open_video(upright, VideoLibrary.dali, on_gpu=True), DaliVideo)


def test_h264_needs_a_gpu(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("lightning_pose.io.video._has_dali", lambda: True)
    path = write_film(tmp_path / "a.mp4", 5)
    with pytest.raises(
        UserError, match=r"without a GPU \(VP8, VP9, MJPEG\), or dali\.library: pyav, found h264"
    ):
        open_video(path, VideoLibrary.dali)
    assert isinstance(open_video(path), PyAvVideo)
    assert isinstance(open_video(path, VideoLibrary.opencv, on_gpu=True), OpenCvVideo)
