"""What is there of damaged videos, exact to the frame; healthy ones are never suspected."""

import json
import logging

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lightning_pose.io.video import open_video
from lightning_pose.io.video_damage import check_video, check_videos, remove_whole_part, write_whole_part
from lightning_pose.io.video_facts import probe_video
from lightning_pose.io.video_pyav import PyAvVideo
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import UserError
from tests.unit.io.barcodes import read_code, write_codes

COUNT = 60
FILMS = {
    "a.mp4": ("libx264", {"movflags": "faststart"}),
    "hevc.mp4": ("libx265", {"movflags": "faststart"}),
    "a.mkv": ("libx264", {}),
    "a.avi": ("mjpeg", {}),
    "mpeg4.avi": ("mpeg4", {}),
    "a.webm": ("libvpx-vp9", {}),
}


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {
        name: write_codes(folder / name, COUNT, codec, container_options=options).read_bytes()
        for name, (codec, options) in FILMS.items()
    }


def spoil(path, number: int, inside: bool = False):
    """Overwrite a packet of a film with zeros, or only what is within its first piece."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        piece = bytes(packet)
    content = bytearray(path.read_bytes())
    start = content.index(piece)
    start, stop = start + (16 if inside else 0), start + len(piece)
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    return path


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example(share=0.71484375)  # within frames that are shown before one that is decoded earlier
@given(share=st.floats(0.5, 0.97))
@pytest.mark.parametrize("name", FILMS)
def test_of_a_file_cut_anywhere_the_first_frames_are_there(contents, tmp_path, name, share) -> None:
    path = tmp_path / name
    path.write_bytes(contents[name][: int(share * len(contents[name]))])
    try:
        whole = check_video(path, allow_truncated=True)
    except UserError:
        assert share < 0.9  # next to nothing is there of a small file whose index comes first
        return
    count = whole.facts.frame_count
    for library in (VideoLibrary.auto, VideoLibrary.opencv):
        frames = open_video(whole.facts, library).read(0, count)
        assert [read_code(frame) for frame in frames] == list(range(count))
    if count == COUNT:
        return  # only the index at the end was lost
    assert whole.first_bad == count < whole.stated <= COUNT + 1
    assert whole.stated == COUNT or path.suffix in (".mkv", ".webm")  # which tell a time, not a number
    with pytest.raises(
        UserError, match=r"expected \d+ frames, found \d+ whole ones, frame \d+ the first bad"
    ):
        check_video(path)


@pytest.mark.parametrize("name", FILMS)
def test_a_whole_film_is_whole(contents, tmp_path, caplog, name) -> None:
    path = tmp_path / name
    path.write_bytes(contents[name])
    for allow_truncated in (False, True):
        whole = check_video(path, allow_truncated)
        assert (whole.facts.frame_count, whole.stated, whole.first_bad) == (COUNT, COUNT, None)
    assert caplog.text == ""


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("number", [5, 31, 59])
def test_a_block_of_zeros_is_seen_without_decoding(
    contents, tmp_path, monkeypatch, caplog, name, number
) -> None:
    path = tmp_path / name
    path.write_bytes(contents[name])
    spoil(path, number)
    with caplog.at_level(logging.WARNING):
        whole = check_video(path, allow_truncated=True)
    count = whole.facts.frame_count
    assert number - 4 <= count <= number  # some are decoded before others that are shown before
    assert (whole.first_bad, whole.stated) == (count, COUNT)
    assert f"only {count} of {COUNT} frames can be predicted, those before frame {count}" in caplog.text
    monkeypatch.delattr(PyAvVideo, "_take")
    with pytest.raises(
        UserError, match=rf"frame {count} the first bad: truncated or damaged \(litpose predict --allow_trunc"
    ):
        probe_video(path)


def test_damage_within_a_packet_is_found_by_decoding_all(contents, tmp_path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(contents["a.avi"])
    spoil(path, 30, inside=True)
    assert check_video(path).first_bad is None  # from outside nothing is to be seen
    whole = check_video(path, allow_truncated=True)
    assert whole.first_bad == 30
    with pytest.raises(UserError, match=r"frame 30 cannot be decoded \(litpose predict --allow_truncated"):
        open_video(path).read(16, 32)


def test_frames_of_uneven_times_are_all_there(tmp_path) -> None:
    film = write_codes(tmp_path / "a.mp4", 12, times=[*range(6), *range(9, 15)])
    assert check_video(film, allow_truncated=True).first_bad is None


@pytest.mark.parametrize("share", [0, 0.3])
@pytest.mark.parametrize("allow_truncated", [False, True])
def test_nothing_to_be_had(tmp_path, share, allow_truncated) -> None:
    path = write_codes(tmp_path / "a.mp4", COUNT)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=r"a\.mp4: expected a video, found"):
        check_video(path, allow_truncated)


def test_every_video_that_is_wrong_is_named(tmp_path) -> None:
    good = write_codes(tmp_path / "good.mp4", 5)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UserError) as caught:
        check_videos([tmp_path / "empty.mp4", good, tmp_path / "missing.mp4", tmp_path])
    assert [problem.found for problem in caught.value.problems] == [
        "an empty file",
        "no such file",
        "a folder",
    ]
    assert [whole.facts.path for whole in check_videos([good, good])] == [good, good]


def test_what_is_there_is_told_beside_the_predictions(contents, tmp_path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(contents["a.avi"][: len(contents["a.avi"]) * 6 // 10])
    whole = check_video(path, allow_truncated=True)
    write_whole_part(whole, tmp_path / "predictions.csv")
    assert 20 < whole.facts.frame_count < COUNT
    assert json.loads((tmp_path / "predictions.json").read_text()) == {
        "frames_predicted": whole.facts.frame_count,
        "frames_stated": COUNT,
        "first_bad_frame": whole.facts.frame_count,
    }
    write_whole_part(whole, tmp_path / "predictions.csv", range(3, 10))
    assert json.loads((tmp_path / "predictions.json").read_text())["frames_predicted"] == 7


@pytest.mark.parametrize("content", ["{}", "[[1]]", "5", '{"frames_predicted": 3}', "no JSON"])
def test_a_file_of_anothers_beside_the_predictions_stays(tmp_path, content) -> None:
    (tmp_path / "predictions.json").write_text(content)
    remove_whole_part(tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.json").read_text() == content


def test_keys_and_times_are_those_of_the_first_frames(contents, tmp_path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(contents["a.mp4"])
    facts = probe_video(path)
    assert facts.keys.tolist() == [0, 20, 40]
    np.testing.assert_allclose(facts.times_s, np.arange(COUNT) / 30, atol=1e-4)
    assert facts.first(21).keys.tolist() == [0, 20] and facts.first(21).frame_count == 21
