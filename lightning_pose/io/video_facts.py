"""What a video file holds, found packet by packet without decoding it: how many frames, and their times.

Headers lie, so every packet is looked at: whether it lies within the file, is marked as damaged, and looks
from outside like a picture of its codec (`io.video_packets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.io.images import LARGEST_IMAGE_PX
from lightning_pose.io.video_packets import outer_check, packed_check
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError, first_line

UNEVEN = 0.5  # of the usual time between frames: more deviation is a variable frame rate
INDEXED = ("mov", "matroska", "avi")  # containers that tell where each frame lies
GAP = 1.5  # frames that a video may end before the time that its header tells
USUAL_RATE = 30  # frames/s where nothing tells
UNKNOWN_LENGTH = 1 << 30  # what FFmpeg writes into an AVI's header that it cannot go back to
PREDICTS_THESE = "litpose predict --allow_truncated predicts these"  # frames before the damage


@dataclass(frozen=True)
class VideoFacts:
    """The frames of a video file.

    Parameters
    ----------
    path : Path
    codec : str
    height, width : pixels, as stored
    ticks : array, (N,), int64
        When each frame is shown, in the file's own unit of time.
    tick_s : that unit in seconds.
    keys : array
        Numbers of the frames that decoding can begin at.
    is_timed : whether the decoder tells these same times; some files have none, or those of another order.
    stated : frames that there should be, N or more.
    """

    path: Path
    codec: str
    height: int
    width: int
    ticks: np.ndarray
    tick_s: float
    keys: np.ndarray
    is_timed: bool
    stated: int

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return len(self.ticks)

    @property
    def is_whole(self) -> bool:
        """Whether these are all frames that there should be."""
        return self.frame_count >= self.stated

    @property
    def times_s(self) -> np.ndarray:
        """When each frame is shown, in seconds, the first one at 0."""
        return (self.ticks - self.ticks[:1]) * self.tick_s

    def first(self, count: int) -> VideoFacts:
        """Return what is true of the first `count` frames alone."""
        return replace(self, ticks=self.ticks[:count], keys=self.keys[self.keys < count])


def how_to_convert(path: Path) -> str:
    """Return the command that makes a video of it that everything decodes, frame for frame."""
    return f"ffmpeg -i {path.name} -fps_mode passthrough -c:v libx264 -crf 17 {path.stem}_h264.mp4"


def probe_video(path: Path, allow_truncated: bool = False, advice: str = PREDICTS_THESE) -> VideoFacts:
    """Count the frames of a video, and read its codec and size.

    Parameters
    ----------
    path : the file.
    allow_truncated : whether it may be damaged; the facts are then of the frames before the damage.
    advice : what to do about a damaged one, for the message.

    Raises
    ------
    UserError
        If the file is missing, empty, no video or damaged.
    """
    path = Path(path)
    note_read(path)
    facts = _scan(path)
    if facts.frame_count == 0:
        found = "no frames" if facts.stated == 0 else "unreadable or truncated (no whole frame)"
        raise UserError(Problem(str(path), "a video", found))
    if not facts.is_whole and not allow_truncated:
        raise UserError(damage_of(facts, advice))
    return facts


def damage_of(facts: VideoFacts, advice: str) -> Problem:
    """Return what to say of a video of which only some frames are there, with an advice."""
    there = facts.frame_count
    found = f"{there} whole ones, frame {there} the first bad: truncated or damaged "
    return Problem(
        f"{facts.path} ({facts.codec})",
        f"{facts.stated} frames",
        f"{found}({advice})",
    )


def stated_frames(path: Path) -> int:
    """Return how many frames the header of a video states, fast and perhaps wrong; 0 = it states none.

    Raises
    ------
    UserError
        If the file is missing or no video.
    """
    import av

    _must_be_file(Path(path))
    try:
        with av.open(ffmpeg_name(path)) as container:
            return _in_header(container.streams.video[0])
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise UserError(Problem(str(path), "a video", f"unreadable ({first_line(error)})")) from None


def ffmpeg_name(path: Path) -> str:
    """Return how FFmpeg is told of a file: what stands before a colon is a protocol to it otherwise."""
    return f"file:{path}"


def limit_frames(context: Any) -> None:
    """Have a decoder refuse frames that would fill the memory, which a file's header need not tell of."""
    context.options = {**context.options, "max_pixels": str(LARGEST_IMAGE_PX)}


def uneven_frames(facts: VideoFacts) -> Problem | None:
    """Return what is wrong with a video whose frames are not evenly spaced in time, None if they are."""
    steps = np.diff(facts.times_s)
    if not len(steps):
        return None
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) <= UNEVEN * usual:
        return None
    expected = "a constant frame rate (ffmpeg -i VIDEO -fps_mode cfr makes it one)"
    found = f"{1000 * steps[worst]:.0f} ms from frame {worst} to the next, else {1000 * usual:.0f} ms"
    return Problem(f"{facts.path} ({facts.codec})", expected, found)


def _must_be_file(path: Path) -> None:
    if not path.is_file():
        raise UserError(Problem(str(path), "a video", "a folder" if path.is_dir() else "no such file"))
    if path.stat().st_size == 0:
        raise UserError(Problem(str(path), "a video", "an empty file"))


def _scan(path: Path) -> VideoFacts:
    """Look at all packets of a file."""
    import av

    _must_be_file(path)
    try:
        with av.open(ffmpeg_name(path)) as container:
            if not container.streams.video:
                raise UserError(Problem(str(path), "a video", "a file without pictures"))
            context = container.streams.video[0].codec_context
            if context is None:
                expected = "a video whose codec can be decoded"
                raise UserError(Problem(str(path), expected, f"an unknown codec ({how_to_convert(path)})"))
            packets = np.fromiter(_packets(container, path.stat().st_size), PACKET)
            return _facts_of(path, container, packets)
    except (av.FFmpegError, ValueError) as error:
        found = f"unreadable or truncated ({first_line(error)})"
        raise UserError(Problem(str(path), "a video", found)) from None


# of a packet: when its frame is shown, decoded and no longer shown, and how it is; `has_tick` tells whether
# it is known when it is shown, `has_time` whether any time of it is
PACKET = np.dtype([("tick", "i8"), ("dts", "i8"), ("end", "i8"), ("has_tick", "?"), ("has_time", "?"),
                   ("is_key", "?"), ("is_shown", "?"), ("is_whole", "?")])  # fmt: skip


def _packets(container: Any, size: int) -> Iterator[tuple[int, int, int, bool, bool, bool, bool, bool]]:
    """Yield a `PACKET` for each picture, in the order of decoding, up to where the file cannot be read on."""
    import av

    stream = container.streams.video[0]
    is_picture, is_packed = outer_check(stream.codec_context), packed_check(stream.codec_context)
    packets = container.demux(stream)
    for number in count():
        try:
            packet = next((own for own in packets if own.size), None)
        except av.FFmpegError:
            yield number, number, number, False, False, False, False, False
            return
        if packet is None:
            return
        tick = next((own for own in (packet.pts, packet.dts) if own is not None), number)
        is_inside = packet.pos is None or packet.pos < 0 or packet.pos + packet.size <= size
        is_whole = is_inside and not packet.is_corrupt and is_picture(packet)
        dts, has_time = tick if packet.dts is None else packet.dts, (packet.pts, packet.dts) != (None, None)
        has_tick = packet.pts is not None and not is_packed(packet)
        end = tick + (packet.duration or 0)
        yield tick, dts, end, has_tick, has_time, packet.is_keyframe, not packet.is_discard, is_whole


def _facts_of(path: Path, container: Any, packets: np.ndarray) -> VideoFacts:
    stream = container.streams.video[0]
    _refuse_large(path, stream.codec_context)
    context, unit_s = stream.codec_context, float(stream.time_base)
    missing = _missing_by_header(container, packets)
    is_counted = not packets["has_time"][packets["is_shown"]].all()
    if is_counted:  # some have no time at all: none can be compared with another's
        packets, unit_s = _counted(path, packets), float(1 / (stream.guessed_rate or USUAL_RATE))
    shown = packets[packets["is_shown"]]
    if not is_counted and _begins_in_the_middle(packets):
        shown = shown[shown["tick"] >= _first_tick(path)]
    ticks = np.sort(shown["tick"])
    is_reordered = bool((np.diff(shown["tick"]) < 0).any())
    # AVI tells no order of showing: it is guessed from the packets that follow
    is_guessed = context.has_b_frames and container.format.name == "avi"
    has_wrong_order = is_guessed and not is_reordered
    is_told = bool(packets["has_tick"].all() and (np.diff(ticks) > 0).all())
    is_timed = is_told and not has_wrong_order and not is_counted
    missing = max(missing, 0 if is_counted else _missing_by_time(stream, shown), 0)
    keys = shown["tick"][shown["is_key"] & any(name in container.format.name for name in INDEXED)]
    sure = ticks[: _count_sure(packets, ticks, missing > 0, is_guessed)]
    return VideoFacts(
        path,
        context.codec.canonical_name,
        context.height,
        context.width,
        sure,
        unit_s,
        np.flatnonzero(np.isin(sure, keys)),
        is_timed,
        len(ticks) + missing,
    )


def _counted(path: Path, packets: np.ndarray) -> np.ndarray:
    """Return packets whose frames can be shown, numbered in the order of decoding in place of times."""
    packets = np.delete(packets, _lost_at_the_beginning(path, packets["is_whole"]))
    packets["tick"] = packets["dts"] = np.arange(len(packets))
    packets["end"] = packets["tick"] + 1
    return packets


def _lost_at_the_beginning(path: Path, is_whole: np.ndarray) -> list[int]:
    """Return which packets before the second one that is shown need others that are not in the file.

    Damaged ones behind the first that is shown are not among them.
    """
    import av

    shown: set[int] = set()
    with av.open(ffmpeg_name(path)) as container:
        context = container.streams.video[0].codec_context
        limit_frames(context)
        packets = (packet for packet in container.demux(container.streams.video[0]) if packet.size)
        for number, packet in enumerate(packets):
            if len(shown) > 1 and packet.is_keyframe:
                break
            packet.pts = number
            shown |= _numbers_shown(context, packet)
        shown |= _numbers_shown(context, None)
    first, second = sorted(shown)[:2] if len(shown) > 1 else (0, 0)
    return [own for own in range(second) if own not in shown and (own < first or is_whole[own])]


def _numbers_shown(context: Any, packet: Any) -> set[int]:
    """Return the numbers, in place of times, of the frames that a packet finishes; None = the last ones."""
    import av

    try:
        return {int(frame.pts) for frame in context.decode(packet) if frame.pts is not None}
    except av.FFmpegError:  # of a frame that needs others
        return set()


def _missing_by_header(container: Any, packets: np.ndarray) -> int:
    """Return how many packets there should be besides those that are there, as the file's header counts."""
    stream = container.streams.video[0]
    if "mov" in container.format.name:  # an edit list may leave out frames that the header counts
        return len(stream.index_entries) - len(packets)
    if container.format.name != "avi" or not len(packets):
        return _in_header(stream) - len(packets)
    # frames that a camera dropped are counted, and time passes for them, but nothing is stored
    step = int(np.median(np.diff(packets["dts"]))) if len(packets) > 1 else 1
    reached = max(int(packets["dts"].max()) + step, len(packets))
    return _in_header(stream) - reached


def _in_header(stream: Any) -> int:
    """Return how many frames the header states; 0 = none."""
    return 0 if stream.frames >= UNKNOWN_LENGTH else int(stream.frames)


def _refuse_large(path: Path, context: Any) -> None:
    """Refuse frames that would fill the memory, before one is decoded."""
    if context.height * context.width > LARGEST_IMAGE_PX:
        found = f"{context.width} x {context.height}"
        raise UserError(Problem(str(path), f"frames of at most {LARGEST_IMAGE_PX} pixels", found))


def _begins_in_the_middle(packets: np.ndarray) -> bool:
    """Say whether the first frames may need some that are not in the file, as in one cut out of another."""
    keys = packets["tick"][packets["is_key"]]
    return len(keys) > 0 and bool((packets["tick"][packets["is_shown"]] < keys[0]).any())


def _first_tick(path: Path) -> int:
    """Decode a file up to its first frame; return when that is shown."""
    import av

    with av.open(ffmpeg_name(path)) as container:
        limit_frames(container.streams.video[0].codec_context)
        for packet in container.demux(container.streams.video[0]):
            try:
                ticks = [frame.pts for frame in packet.decode() if frame.pts is not None]
            except av.FFmpegError:  # of a frame that needs others
                continue
            if ticks:
                return int(ticks[0])
    return 0


def _missing_by_time(stream: Any, shown: np.ndarray) -> int:
    """Return how many frames are missing at the end by the header's time, where it counts none (Matroska)."""
    told = stream.metadata.get("DURATION", "")
    if stream.frames or len(shown) < 2 or told.count(":") != 2:
        return 0
    hours, minutes, seconds = (float(own) for own in told.split(":"))
    unit = float(stream.time_base)
    told_s = 3600 * hours + 60 * minutes + seconds
    first_s, last_s = shown["tick"].min() * unit, shown["tick"].max() * unit
    usual_s = (last_s - first_s) / (len(shown) - 1)
    if usual_s <= 0 or told_s - shown["end"].max() * unit <= GAP * usual_s:
        return 0
    return max(round((told_s - first_s) / usual_s) - len(shown), 1)


def _count_sure(packets: np.ndarray, ticks: np.ndarray, is_cut: bool, is_guessed: bool) -> int:
    """Return how many frames come before the first that is or may be damaged.

    A damaged packet spoils what is decoded after it. Where packets are missing at the end, a frame that is
    shown after the last one was decoded may come behind a missing one: none is shown before it is decoded.
    """
    bad = np.flatnonzero(~packets["is_whole"])
    if len(bad):
        after = packets[bad[0] :]
        spoilt = after["tick"][after["is_shown"]]
        count_whole = int(np.searchsorted(ticks, spoilt.min())) if len(spoilt) else len(ticks)
        if not is_guessed or not bad[0]:
            return count_whole
        return min(count_whole, int(np.searchsorted(ticks, packets["dts"][bad[0] - 1], side="right")))
    if not is_cut or not len(packets):
        return len(ticks)
    return int(np.searchsorted(ticks, packets["dts"][-1], side="right"))
