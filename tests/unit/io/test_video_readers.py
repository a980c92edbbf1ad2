"""Row i is frame i, by the bar code in each frame, for every reader, codec and container."""

import re
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video, stated_frames
from lightning_pose.io.video_pyav import PyAvVideo
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import UserError
from tests.unit.io.barcodes import HEIGHT, RATE, WIDTH, draw_code, read_code, write_codes

COUNT = 90
UNEVEN = [*range(30), *range(40, 70), *range(71, 131, 2)]
FILMS = {
    "h264.mp4": {},
    "h264-index-first.mp4": {"container_options": {"movflags": "faststart"}},
    "h264-uneven.mp4": {"times": UNEVEN},
    "h264-late.mp4": {"times": range(45, 45 + COUNT)},
    "h264-open-gop.mp4": {"x264-params": "open-gop=1:keyint=20:bframes=3"},
    "h264-one-key.mp4": {"g": "1000"},
    "h264-grey.mp4": {"pix_fmt": "gray"},
    "h264-444.mkv": {"pix_fmt": "yuv444p"},
    "h264.mkv": {},
    "h264-uneven.mkv": {"times": UNEVEN},
    "h264.avi": {},  # whose times are in the order of decoding
    "h264.ts": {},
    "h264.mpg": {},  # whose frames have no times but the first of each pack
    "h264-interlaced.mp4": {"x264-params": "tff=1"},
    "hevc.mp4": {"codec": "libx265"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "mjpeg.avi": {"codec": "mjpeg"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1"},
}
NOT_OPENCV = ("av1.mp4",)  # its wheel has no decoder


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    made, folder = {}, tmp_path_factory.mktemp("films")

    def film(name):
        if name not in made:
            made[name] = write_codes(folder / name, COUNT, **FILMS[name])
        return made[name]

    return film


def codes(frames) -> list[int]:
    return [read_code(frame) for frame in frames]


@pytest.mark.parametrize("name", FILMS)
def test_row_i_is_frame_i(films, name) -> None:
    video = open_video(films(name))
    assert isinstance(video, PyAvVideo)
    assert (video.frame_count, video.frame_hw()) == (COUNT, (HEIGHT, WIDTH))
    assert [code for frames in video.batches(16) for code in codes(frames)] == list(range(COUNT))
    assert video.count_decodable() == COUNT


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(starts=st.lists(st.integers(0, COUNT - 2), min_size=1, max_size=4))
@pytest.mark.parametrize("name", FILMS)
def test_any_frame_is_found_after_any_other(films, monkeypatch, name, starts) -> None:
    monkeypatch.setattr("lightning_pose.io.video_pyav.FEW", 3)
    video = open_video(films(name))
    for start in starts:
        assert codes(video.read(start, 2)) == [start, start + 1]
    video.close()


@pytest.mark.parametrize("name", [name for name in FILMS if name not in NOT_OPENCV])
def test_opencv_shows_the_same(films, name) -> None:
    facts = probe_video(films(name))
    own, other = (open_video(facts, kind) for kind in (VideoLibrary.pyav, VideoLibrary.opencv))
    assert own.frame_hw() == other.frame_hw()
    found, expected = own.read(0, COUNT), other.read(0, COUNT)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(float) - expected).mean() <= 1
    assert codes(other.read(50, 2)) == codes(found[50:52]) == [50, 51]


def test_colours_are_those_that_were_filmed(films) -> None:
    frames = open_video(films("h264-444.mkv")).read(0, COUNT)
    expected = np.stack([draw_code(number) for number in range(COUNT)])
    assert np.abs(frames.astype(float) - expected).mean() < 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_camera_on_its_side(tmp_path, degrees) -> None:
    facts = probe_video(write_codes(tmp_path / "a.mp4", 3, degrees=degrees))
    own, other = (open_video(facts, kind) for kind in (VideoLibrary.pyav, VideoLibrary.opencv))
    assert own.frame_hw() == other.frame_hw() == ((HEIGHT, WIDTH) if degrees == 180 else (WIDTH, HEIGHT))
    assert np.abs(own.read(0, 3).astype(float) - other.read(0, 3)).mean() <= 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flips", [(True, False), (False, True), (True, True)])
def test_a_mirrored_video(tmp_path, degrees, flips, caplog) -> None:
    facts = probe_video(write_codes(tmp_path / "a.mp4", 3, degrees=degrees, flips=flips))
    upright = np.rot90(np.stack([draw_code(number) for number in range(3)]), degrees // 90, (1, 2))
    expected = upright[:, :: -1 if flips[1] else 1, :: -1 if flips[0] else 1]
    for library in (VideoLibrary.pyav, VideoLibrary.opencv):
        video = open_video(facts, library)
        assert video.frame_hw() == expected.shape[1:3]
        assert np.abs(video.read(0, 3).astype(float) - expected).mean() < 3
    assert ("decoded by PyAV, as mirrored videos are" in caplog.text) == (sum(flips) == 1)


@pytest.mark.parametrize("library", [VideoLibrary.pyav, VideoLibrary.opencv])
def test_the_only_frame_is_read_again(tmp_path, library) -> None:
    video = open_video(write_codes(tmp_path / "a.mp4", 1), library)
    assert codes(video.read(0, 1)) == codes(video.read(0, 1)) == [0]


@pytest.mark.parametrize("first", [1, 7])
def test_frames_that_an_edit_list_hides_do_not_count(tmp_path, first) -> None:
    path = tmp_path / "a.mp4"
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    write_codes(path, COUNT, times=range(-first, COUNT - first), container_options=options, bf="0")
    with av.open(str(path)) as container:
        shown = [read_code(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert shown == list(range(first, COUNT))  # or the film has no edit list
    video = open_video(path)
    assert codes(video.read(0, video.frame_count)) == shown
    assert codes(video.read(40, 2)) == shown[40:42]
    assert codes(open_video(path, VideoLibrary.opencv).read(0, video.frame_count)) == shown


@pytest.mark.parametrize("name", ["h264.mkv", "h264-open-gop.mp4", "hevc.mp4", "mpeg2.mpg"])
@pytest.mark.parametrize("offset", [0, -5, 3], ids=["at a key", "before it", "behind it"])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_film_cut_out_of_another_begins_with_the_first_frame_that_can_be_shown(
    films, tmp_path, name, offset, ending
) -> None:
    path = tmp_path / f"a.{ending}"
    with av.open(str(films(name))) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
        for packet in packets[keys[1] + offset :]:
            packet.stream = stream
            container.mux(packet)
    with av.open(str(path)) as container:
        shown = [read_code(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert 15 <= shown[0] <= 40 and shown[-1] == COUNT - 1
    for library in (VideoLibrary.pyav, VideoLibrary.opencv):
        video = open_video(path, library)
        assert codes(video.read(0, video.frame_count)) == shown
        assert codes(video.read(45, 2)) == shown[45:47]


def pack(source: Path, target: Path) -> None:
    """Copy an MPEG-4 film as DivX and XviD pack it: P and the first B in one packet, a stand-in behind."""
    vop = b"\0\0\1\xb6"  # begins a picture, and its kind follows
    with av.open(str(source)) as film, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(film.streams.video[0])
        pictures = [bytes(packet) for packet in film.demux(video=0) if packet.size]
        is_b = [own[own.index(vop) + 4] >> 6 == 2 for own in pictures] + [False]
        pictures[0] = pictures[0].replace(vop, b"\0\0\1\xb2DivX503b1393p" + vop, 1)
        packets: list[bytes] = []
        for place, own in enumerate(pictures):
            if is_b[place] and not is_b[place - 1]:
                packets[-1] += own
            else:
                packets.append(own)
            if is_b[place] and not is_b[place + 1]:
                packets.append(vop + b"\x51\x4f")
        for number, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, RATE), number == 0
            container.mux(packet)


def test_pictures_packed_together_as_xvid_does(films, tmp_path) -> None:
    pack(films("mpeg4.avi"), tmp_path / "packed.avi")
    video = open_video(tmp_path / "packed.avi")
    assert codes(video.read(0, COUNT)) == list(range(COUNT))
    assert codes(video.read(40, 2)) == [40, 41]


@pytest.mark.parametrize("codec", ["mjpeg", "libx264"])
def test_frames_that_a_camera_dropped_are_not_missing(tmp_path, codec) -> None:
    times = [*range(20), *range(23, 50), *range(52, 52 + COUNT - 47)]
    path = write_codes(tmp_path / "a.avi", COUNT, codec, times)
    assert stated_frames(path) > COUNT  # which counts those dropped
    facts = probe_video(path)
    assert (facts.frame_count, facts.stated) == (COUNT, COUNT)
    assert codes(open_video(facts).read(0, COUNT)) == list(range(COUNT))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(UserError, match=rf"expected {COUNT} frames, found [56]\d whole ones"):
        probe_video(path)


def test_an_avi_that_was_written_into_a_pipe_states_no_number(films, tmp_path) -> None:
    path, unknown = tmp_path / "a.avi", (1 << 30).to_bytes(4, "little")
    content = films("mjpeg.avi").read_bytes()
    path.write_bytes(content.replace(COUNT.to_bytes(4, "little"), unknown, 2))
    assert stated_frames(path) == 0
    assert probe_video(path).stated == COUNT


def test_frames_without_times_are_spaced_by_the_rate(films) -> None:
    facts = probe_video(films("h264.mpg"))
    assert facts.times_s == pytest.approx(np.arange(COUNT) / RATE)


def test_frames_without_times_that_need_some_before_the_beginning_do_not_count(tmp_path) -> None:
    content, path = write_codes(tmp_path / "whole.mpg", COUNT, qp="5").read_bytes(), tmp_path / "cut.mpg"
    packs = [match.start() for match in re.finditer(b"\0\0\1\xba", content)]
    path.write_bytes(content[packs[1] :])
    with av.open(str(path)) as container:
        shown = [read_code(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    video = open_video(path)
    assert codes(video.read(0, video.frame_count)) == shown == list(range(shown[0], COUNT))


@pytest.mark.parametrize("first", [1, 2])
def test_an_open_gop_cut_out_into_matroska(films, tmp_path, first) -> None:
    """Its first frames are shown before the key frame, at times below 0, which Matroska does not tell."""
    path = tmp_path / "a.mkv"
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(films("hevc.mp4"))) as source, av.open(str(path), "w", options=options) as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        key = [place for place, packet in enumerate(packets) if packet.is_keyframe][first]
        zero = packets[key].pts
        for packet in packets[key:]:
            packet.stream, packet.pts, packet.dts = stream, packet.pts - zero, packet.dts - zero
            container.mux(packet)
    with av.open(str(path)) as container:
        assert any(packet.pts is None and packet.size for packet in container.demux(video=0))
    video = open_video(path)
    shown = codes(video.read(0, video.frame_count))
    assert shown == list(range(shown[0], COUNT))


def test_a_codec_that_nothing_decodes_is_named(tmp_path) -> None:
    path = write_codes(tmp_path / "a.mp4", 5)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(UserError, match=r"an unknown codec \(ffmpeg -i a\.mp4 .* a_h264\.mp4"):
        probe_video(path)


@pytest.mark.parametrize("name", ["session:1.mp4", "http:a.mp4", "concat:a.mp4", "a%03d é's.mp4", "-a.mp4"])
@pytest.mark.parametrize("library", [VideoLibrary.pyav, VideoLibrary.opencv])
def test_names_that_mean_something_to_ffmpeg(films, tmp_path, monkeypatch, library, name) -> None:
    shutil.copy(films("h264.mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    video = open_video(Path(name), library)
    assert video.frame_count == stated_frames(Path(name)) == COUNT
    assert read_code(video.read(40, 1)[0]) == 40
    video.close()


def test_a_codec_that_opencv_lacks_is_named(films) -> None:
    with pytest.raises(UserError, match=r"dali\.library: pyav, found codec av1.*ffmpeg -i av1\.mp4"):
        open_video(films("av1.mp4"), VideoLibrary.opencv)
