"""A video that is written has every frame, at its time, looking as it did; or it is not there at all."""

import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.io.video_writer import TICKS, TO_PREDICT_ON, TO_WATCH, write_video
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import UserError
from tests.unit.io.films import HEIGHT, WIDTH, draw, number_of

FRAMES = 40


def written(path: Path, times_s, encoding=TO_WATCH, frame_hw=(HEIGHT, WIDTH)) -> Path:
    with write_video(path, frame_hw, np.asarray(times_s, float), encoding) as writer:
        for number in range(len(times_s)):
            writer.write(draw(number)[: frame_hw[0], : frame_hw[1]])
    return path


@contextmanager
def files_of_at_most(size: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("encoding", [TO_WATCH, TO_PREDICT_ON])
def test_every_frame_is_there_in_its_place(tmp_path, encoding) -> None:
    path = written(tmp_path / "new" / "film.mp4", np.arange(FRAMES) / 30, encoding)
    assert [file.name for file in path.parent.iterdir()] == ["film.mp4"]
    video = open_video(path, VideoLibrary.pyav)
    assert (video.facts.codec, video.frame_count, video.facts.stated) == ("h264", FRAMES, FRAMES)
    assert video.count_decodable() == FRAMES
    frames = video.read(0, FRAMES)
    assert [number_of(frame) for frame in frames] == pytest.approx(list(range(FRAMES)), abs=1)
    np.testing.assert_allclose(video.facts.times_s, np.arange(FRAMES) / 30, atol=1e-6)
    expected = np.stack([draw(number) for number in range(FRAMES)]).astype(int)
    assert np.abs(frames - expected).mean() < 2
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.duration * stream.time_base) == pytest.approx(FRAMES / 30, abs=1e-4)


@given(
    st.lists(st.integers(1, 5 * TICKS), min_size=1, max_size=12), st.sampled_from([TO_WATCH, TO_PREDICT_ON])
)
@settings(max_examples=15, deadline=None)
def test_times_are_kept_however_uneven(steps, encoding) -> None:
    times_s = np.cumsum([0, *steps]) / TICKS
    with tempfile.TemporaryDirectory() as folder:
        facts = probe_video(written(Path(folder) / "film.mp4", times_s, encoding))
    np.testing.assert_allclose(facts.times_s, times_s, atol=0.6 / TICKS)


def test_a_single_frame_and_frames_of_one_time(tmp_path) -> None:
    assert probe_video(written(tmp_path / "one.mp4", [0.0])).frame_count == 1
    assert probe_video(written(tmp_path / "same.mp4", [0.0, 0.1, 0.1, 0.1, 0.2])).frame_count == 5


def test_odd_sizes_grow_by_their_last_row_and_column(tmp_path) -> None:
    path = written(tmp_path / "odd.mp4", np.arange(3) / 30, frame_hw=(HEIGHT - 1, WIDTH - 3))
    video = open_video(path, VideoLibrary.opencv)
    assert video.frame_hw() == (HEIGHT, WIDTH - 2)
    frame = video.read(1, 1)[0].astype(int)
    assert np.abs(frame[: HEIGHT - 1, : WIDTH - 3] - draw(1)[: HEIGHT - 1, : WIDTH - 3]).mean() < 2
    assert np.abs(frame[-1] - frame[-2]).max() < 12


def test_colours_are_those_of_the_frame(tmp_path) -> None:
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:, :32], frame[:, 32:64], frame[:, 64:] = (200, 30, 40), (40, 180, 60), (30, 60, 220)
    with write_video(tmp_path / "film.mp4", (64, 96), np.arange(4) / 30, TO_PREDICT_ON) as writer:
        for _ in range(4):
            writer.write(frame)
    found = open_video(tmp_path / "film.mp4", VideoLibrary.opencv).read(2, 1)[0]
    for column in (16, 48, 80):
        np.testing.assert_allclose(found[32, column], frame[32, column], atol=4)


def test_a_full_disk_leaves_nothing(tmp_path) -> None:
    """A limit on a file's size takes the place of the disk's end; the video before stays as it was."""
    noise = np.random.default_rng(0).integers(0, 255, (20, HEIGHT, WIDTH, 3)).astype(np.uint8)
    path = written(tmp_path / "film.mp4", [0.0])
    before = path.read_bytes()
    with files_of_at_most(100_000), pytest.raises(UserError) as caught:
        with write_video(path, (HEIGHT, WIDTH), np.arange(400) / 30) as writer:
            for number in range(400):
                writer.write(noise[number % 20])
    assert str(caught.value).startswith(f"{path}: expected") and "too large" in str(caught.value)
    assert number <= 60, "it is noticed on the way"
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"film\.mp4: expected a folder that can be written"):
        written(tmp_path / "file" / "film.mp4", [0.0])


def test_an_error_on_the_way_leaves_nothing(tmp_path) -> None:
    with pytest.raises(RuntimeError, match="elsewhere"):
        with write_video(tmp_path / "film.mp4", (HEIGHT, WIDTH), np.arange(9) / 30) as writer:
            writer.write(draw(0))
            raise RuntimeError("elsewhere")
    with pytest.raises(ValueError, match="1 frames for 9 times"):
        with write_video(tmp_path / "film.mp4", (HEIGHT, WIDTH), np.arange(9) / 30) as writer:
            writer.write(draw(0))
    with pytest.raises(ValueError, match="uint8"):
        with write_video(tmp_path / "film.mp4", (HEIGHT, WIDTH), np.arange(9) / 30) as writer:
            writer.write(draw(0)[1:])
    assert list(tmp_path.iterdir()) == []
