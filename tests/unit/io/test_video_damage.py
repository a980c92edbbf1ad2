"""What is there of damaged videos."""

import json
import logging

import av
import pytest

from lightning_pose.io.video import open_video, probe_video
from lightning_pose.io.video_damage import find_whole_part, write_whole_part
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import UserError
from tests.unit.io.films import number_of, write_film

COUNT = 60


def cut(path, share):
    """Cut a film's file off, as a full disk does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"movflags": "faststart"}),
        ("a.mkv", "libx264", {}),
        ("a.avi", "mjpeg", {}),
        ("a.webm", "libvpx-vp9", {}),
    ],
)
@pytest.mark.parametrize("share", [1, 0.9, 0.7])
def test_what_is_there_is_exact_to_the_frame(tmp_path, caplog, name, codec, options, share) -> None:
    path = cut(write_film(tmp_path / name, COUNT, codec, **options), share)
    with caplog.at_level(logging.WARNING):
        whole = find_whole_part(path)
    count = whole.facts.frame_count
    frames = open_video(whole.facts, VideoLibrary.opencv).read(0, count)
    assert [abs(number_of(frame) - number) <= 2 for number, frame in enumerate(frames)] == [True] * count
    if share == 1:
        assert (count, whole.stated, whole.first_bad, caplog.text) == (COUNT, COUNT, None, "")
    else:
        assert 5 < count < COUNT
    if whole.first_bad is not None:
        assert f"only {count} of {whole.stated} frames can be predicted" in caplog.text
    if name == "a.mp4" and share < 1:
        assert (whole.stated, whole.first_bad) == (COUNT, count)
        with pytest.raises(UserError, match=r"truncated or damaged \(--allow_truncated predicts these"):
            probe_video(path)


def test_frames_of_uneven_times_are_all_there(tmp_path) -> None:
    film = write_film(tmp_path / "a.mp4", 12, times=[*range(6), *range(9, 15)])
    assert find_whole_part(film).first_bad is None


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("a.mp4", "libx264")])
def test_damage_amidst_a_film_ends_what_is_there(tmp_path, name, codec) -> None:
    path = write_film(tmp_path / name, COUNT, codec)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][30]
        start, stop = packet.pos, packet.pos + packet.size
    content = bytearray(path.read_bytes())
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    whole = find_whole_part(path)
    assert 25 <= whole.facts.frame_count <= 30 and whole.first_bad == whole.facts.frame_count
    assert whole.stated == COUNT


@pytest.mark.parametrize("share", [0, 0.3])
def test_nothing_to_be_had(tmp_path, share) -> None:
    with pytest.raises(UserError, match=r"a\.mp4: expected a video, found"):
        find_whole_part(cut(write_film(tmp_path / "a.mp4", COUNT), share))


def test_what_is_there_is_told_beside_the_predictions(tmp_path) -> None:
    film = cut(write_film(tmp_path / "a.mp4", COUNT, movflags="faststart"), 0.6)
    whole = find_whole_part(film)
    write_whole_part(whole, tmp_path / "predictions.csv")
    assert json.loads((tmp_path / "predictions.json").read_text()) == {
        "frames_predicted": whole.facts.frame_count,
        "frames_stated": COUNT,
        "first_bad_frame": whole.facts.frame_count,
    }
