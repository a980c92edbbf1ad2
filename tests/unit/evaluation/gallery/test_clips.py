"""Clips lie where the ensemble is unsure, and show the frames that they say."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.cli.main import main
from lightning_pose.evaluation.colors import PALETTE
from lightning_pose.evaluation.gallery.clips import (
    CLIPS,
    DOUBT,
    VideoFound,
    VideoMember,
    cut_clips,
    find_moments,
    thinned,
    uncertainty,
)
from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from tests.unit.evaluation.gallery.made_up import FILM_FRAMES, UNSURE_FRAME, MadeUp, add_videos
from tests.unit.io.barcodes import HEIGHT, WIDTH, write_codes
from tests.unit.io.films import SIDE, place, write_film


def clip_files(made: MadeUp) -> dict[str, int]:
    return json.loads((made.folder / "gallery" / "manifest.json").read_text())["clips"]


def clips_of(made: MadeUp) -> list[dict]:
    text = (made.folder / "gallery" / "clips.js").read_text()
    return json.loads(text.removeprefix("window.galleryClips = ").rstrip().rstrip(";"))


def test_the_first_clip_is_around_the_least_certain_frame_and_shows_it(results) -> None:
    arguments = [*results.arguments(), *add_videos(results), "--clip_seconds", "1", "--clips", "2"]
    assert main(arguments) == 0
    (video,) = clips_of(results)
    first, second = video["clips"]
    assert first["start"] <= UNSURE_FRAME < first["start"] + 30
    assert len(first["paths"]) == 30 and first["largest"] > second["largest"]
    assert first["peak"] == UNSURE_FRAME and second["start"] <= second["peak"] < second["start"] + 30
    # the second kind of the frames, though the only one of the clips
    assert [own["color"] for own in first["kinds"]] == [PALETTE[1]]
    film = open_video(results.folder / "gallery" / "clips" / first["file"])
    assert film.frame_count == 30
    # each frame has a square at the place of its number
    for i in (0, UNSURE_FRAME - first["start"], 29):
        x, y = place(first["start"] + i)
        frame = film.read(i, 1)[0].astype(int)
        assert frame[y : y + SIDE, x : x + SIDE].mean() > frame.mean() + 60


def test_clips_that_are_there_are_kept_and_others_go(results) -> None:
    arguments = [*results.arguments(), *add_videos(results), "--clip_seconds", "1", "--clips", "2"]
    assert main(arguments) == 0
    folder = results.folder / "gallery" / "clips"
    before = clip_files(results)
    kept, damaged = before
    os.utime(folder / kept, (1, 1))
    (folder / damaged).write_bytes(b"half")
    (folder / "mine.mp4").write_bytes(b"not of the gallery")
    assert main(arguments) == 0
    assert clip_files(results) == before
    assert (folder / kept).stat().st_mtime == 1 and (folder / damaged).stat().st_size == before[damaged]
    assert main(results.arguments()) == 0
    assert [path.name for path in folder.iterdir() if path.suffix == ".mp4"] == ["mine.mp4"]


def test_clips_of_a_camera_on_its_side_have_the_size_of_what_they_show(tmp_path) -> None:
    path = write_codes(tmp_path / "a.mp4", 10, degrees=90)
    member = VideoMember(path, "pose_1.8", "0", tmp_path / "a.csv")
    keypoints_px, confidence = np.ones((1, 10, 1, 2)), np.full((1, 10, 1), 0.9)
    found = VideoFound(probe_video(path), [member], ["nose"], keypoints_px, confidence)
    (video,) = cut_clips([found], tmp_path, {}, count=1, seconds=1)
    assert video.frame_hw == (WIDTH, HEIGHT)
    assert video.frame_hw == open_video(tmp_path / CLIPS / video.clips[0].file).frame_hw()


def test_predictions_of_another_video_are_refused(results, capsys) -> None:
    arguments = [*results.arguments(), *add_videos(results, rows=FILM_FRAMES - 1)]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert f"expected a row for each of {FILM_FRAMES} frames" in told
    assert f"found {FILM_FRAMES - 1} rows" in told
    assert not (results.folder / "gallery").exists(), "nothing was drawn before that was seen"


def test_a_member_of_a_video_counts_once(results, capsys) -> None:
    options = add_videos(results)
    video, kind, seed, csv = options[1:5]
    assert main([*results.arguments(), *options, *options[:5]]) == 2
    told = capsys.readouterr().err
    assert f"expected each kind and seed once for a video, found {video} {kind} {seed} again" in told
    assert f"expected each file once for a video, found {video} {csv} again" in told
    assert main([*results.arguments(), "--video_member", video, "all", seed, csv]) == 2
    assert "--video_member: expected a name other than all" in capsys.readouterr().err


def test_a_moment_is_told_by_the_time_of_its_frame(results) -> None:
    options = add_videos(results)
    half = FILM_FRAMES // 2
    slow = [i if i < half else half + 3 * (i - half) for i in range(FILM_FRAMES)]
    write_film(results.folder / "film.mp4", FILM_FRAMES, times=slow)
    assert main([*results.arguments(), *options, "--clip_seconds", "1", "--clips", "2"]) == 0
    (video,) = clips_of(results)
    assert video["clips"][0]["peak"] == UNSURE_FRAME
    assert video["clips"][0]["seconds"] == pytest.approx(slow[UNSURE_FRAME] / 30, abs=0.001)


@pytest.mark.parametrize(("option", "value"), [("--clips", "0"), ("--clip_seconds", "nan")])
def test_impossible_numbers_are_refused(results, capsys, option, value) -> None:
    assert main([*results.arguments(), option, value]) == 2
    assert option in capsys.readouterr().err


@given(
    trace=st.lists(st.one_of(st.just(float("nan")), st.floats(0, 100)), max_size=60),
    length=st.integers(1, 20),
    count=st.integers(1, 6),
)
def test_moments_lie_around_the_peaks_and_never_overlap(trace, length, count) -> None:
    values = np.array(trace, float)
    found = find_moments(values, length, count)
    taken = [frame for start, stop in found for frame in range(start, stop)]
    assert len(found) <= count and len(taken) == len(set(taken))
    assert all(0 <= start < stop <= len(values) and stop - start <= length for start, stop in found)
    if np.isfinite(values).any():
        assert np.nanargmax(values) in range(*found[0])
    assert len(found) == count or set(np.flatnonzero(np.isfinite(values))) <= set(taken)


def test_a_thinned_trace_keeps_its_peak() -> None:
    trace = np.zeros(10_001)
    trace[7_777], trace[:4] = 5, np.nan
    points = thinned(trace, 1_000)
    assert len(points) <= 1_000 and np.nanmax(points) == 5
    assert np.nanargmax(points) / len(points) == pytest.approx(7_777 / 10_001, abs=0.01)
    assert thinned(trace[:50], 1_000).shape == (50,)


def test_one_member_is_unsure_where_its_confidence_is_low() -> None:
    confidence = np.array([[[1.0, 0.5], [0.2, np.nan]]])
    measure, trace = uncertainty(np.zeros((1, 2, 2, 2)), confidence)
    assert measure == DOUBT
    assert trace == pytest.approx([0.25, 0.8])
