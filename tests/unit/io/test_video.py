"""Every frame by its number, whatever is asked for first; files that are no whole video are named."""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightning_pose.io import video_facts
from lightning_pose.io.video import find_videos, open_video
from lightning_pose.io.video_facts import probe_video, uneven_frames
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import UserError
from tests.unit.io.films import HEIGHT, LONGEST, WIDTH, draw, number_of, write_film

CODECS = {"libx264": "mp4", "libvpx-vp9": "webm", "mjpeg": "avi"}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return {codec: write_film(folder / f"{codec}.{end}", LONGEST, codec) for codec, end in CODECS.items()}


@pytest.mark.parametrize("codec", CODECS)
def test_frames_come_in_order_and_in_rgb(films, codec) -> None:
    video = open_video(films[codec])
    assert (video.frame_count, video.frame_hw()) == (LONGEST, (HEIGHT, WIDTH))
    frames = np.concatenate(list(video.batches(64)))
    expected = np.stack([draw(number) for number in range(LONGEST)])
    assert np.abs(frames.astype(float) - expected).mean() < 3
    assert [number_of(frame) for frame in frames[::20]] == pytest.approx(range(0, LONGEST, 20), abs=2)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(starts=st.lists(st.integers(0, LONGEST - 3), min_size=1, max_size=4))
@pytest.mark.parametrize("codec", CODECS)
def test_any_frame_is_found_after_any_other(films, codec, starts) -> None:
    once = open_video(films[codec]).read(0, LONGEST)
    video = open_video(films[codec])
    for start in starts:
        np.testing.assert_array_equal(video.read(start, 3), once[start : start + 3])


def test_a_seek_that_missed_is_done_by_counting(films, monkeypatch) -> None:
    video = open_video(films["libx264"])
    monkeypatch.setattr(type(video), "_seek", lambda *_: False)
    assert number_of(video.read(180, 1)[0]) == pytest.approx(180, abs=1)
    assert number_of(video.read(3, 1)[0]) == pytest.approx(3, abs=1)


def test_frames_beyond_the_end_are_a_mistake_of_ours(films) -> None:
    with pytest.raises(ValueError, match="frames 199 to 200 of 200"):
        open_video(films["mjpeg"]).read(199, 2)


def test_a_blue_frame_is_blue(tmp_path, monkeypatch) -> None:
    blue = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    blue[..., 2] = 250
    monkeypatch.setattr("tests.unit.io.films.draw", lambda _: blue)
    frame = open_video(write_film(tmp_path / "a.mp4", 3)).read(0, 1)[0]
    assert frame[..., 2].mean() > 200 > 60 > frame[..., 0].mean()


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "no such file"), (b"", "an empty file"), (b"hello" * 100, "unreadable or truncated")],
)
def test_files_that_are_no_video_are_named(tmp_path, content, found) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.mp4: expected a video, found {found}"):
        probe_video(path)


HUGE = 15_000  # pixels a side, as headers claim of a few kB; a frame would be 675 MB


@pytest.mark.parametrize("end", ["avi", "mp4"])
def test_a_file_that_claims_huge_frames_is_refused_before_any_is_decoded(tmp_path, end) -> None:
    path = write_film(tmp_path / f"bomb.{end}", 3, "mjpeg")
    content = path.read_bytes()
    for layout, first in ((">BHH", [8]), (">HH", []), ("<ii", [])):  # of a JPEG, height first; MP4; AVI
        size = (HEIGHT, WIDTH) if first else (WIDTH, HEIGHT)
        content = content.replace(struct.pack(layout, *first, *size), struct.pack(layout, *first, HUGE, HUGE))
    path.write_bytes(content)
    assert len(content) < 10_000
    with pytest.raises(UserError, match=rf"bomb.{end}: expected frames of at most \d+ pixels, found 15000 x"):
        probe_video(path)


def test_frames_larger_than_the_header_says_are_not_decoded(tmp_path, monkeypatch) -> None:
    path = write_film(tmp_path / "bomb.avi", 3, "mjpeg")
    path.write_bytes(path.read_bytes().replace(struct.pack("<ii", WIDTH, HEIGHT), struct.pack("<ii", 16, 16)))
    facts = probe_video(path)
    assert open_video(facts).frame_hw() == (HEIGHT, WIDTH)
    monkeypatch.setattr(video_facts, "LARGEST_IMAGE_PX", WIDTH * HEIGHT - 1)
    with pytest.raises(UserError, match=r"bomb\.avi: expected a video that FFmpeg decodes"):
        open_video(facts)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["index at the end", "index first"])
def test_a_truncated_video_is_refused(tmp_path, share, options) -> None:
    path = write_film(tmp_path / "a.mp4", 120, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="truncated"):
        probe_video(path)


def test_an_avi_cut_short_is_refused(tmp_path) -> None:
    path = write_film(tmp_path / "a.avi", 60, "mjpeg")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"expected 60 frames, found \d+ whole ones"):
        probe_video(path)


def test_a_variable_frame_rate_is_seen(tmp_path) -> None:
    times = [*range(10), *range(30, 50)]
    facts = probe_video(write_film(tmp_path / "a.mp4", 30, times=times))
    assert facts.frame_count == 30
    problem = uneven_frames(facts)
    assert problem is not None
    assert "700 ms from frame 9 to the next, else 33 ms" in problem.found


@pytest.mark.parametrize("codec", CODECS)
def test_a_constant_frame_rate_is_even(films, codec) -> None:
    assert uneven_frames(probe_video(films[codec])) is None


def test_dali_that_is_not_installed_is_named(films, monkeypatch) -> None:
    monkeypatch.setattr("lightning_pose.io.video._has_dali", lambda: False)
    with pytest.raises(UserError, match=r"dali\.library: expected NVIDIA DALI, found none"):
        open_video(films["mjpeg"], VideoLibrary.dali)


def test_videos_are_found_in_a_folder_or_by_name(tmp_path) -> None:
    for name in ("b.mp4", "a.AVI", "._a.AVI", "notes.txt"):
        (tmp_path / "videos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "videos" / name).touch()
    found = [tmp_path / "videos" / name for name in ("a.AVI", "b.mp4")]
    assert find_videos("videos", tmp_path) == found
    assert find_videos(str(tmp_path / "videos"), tmp_path / "elsewhere") == found
    assert find_videos(["videos/b.mp4"], tmp_path) == found[1:]
    assert find_videos("videos/b.mp4", tmp_path) == found[1:]


@pytest.mark.parametrize(
    ("video_dir", "message"),
    [
        ("nothing", "nothing, which does not exist"),
        (["a.mp4", "b.mp4"], "b.mp4, which does not exist"),
        ("empty", "found none"),
        (["a.mp4", "empty/../a.mp4"], "a.mp4 twice"),
    ],
)
def test_missing_videos_are_named(tmp_path, video_dir, message) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        find_videos(video_dir, tmp_path)
