"""Clips of videos around the moments that the ensemble is least sure of.

Axes: M members, T frames of a video, K keypoints; positions in frame pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.crop_qa import row_means
from lightning_pose.evaluation.gallery.frames import GalleryFrames, member_notes
from lightning_pose.evaluation.ood import ensemble_standard_deviation
from lightning_pose.evaluation.ood_input import check_kinds
from lightning_pose.evaluation.set_checks import repeated
from lightning_pose.io.files import sha256
from lightning_pose.io.predictions import read_predictions
from lightning_pose.io.video import Video, open_video
from lightning_pose.io.video_facts import VideoFacts, probe_video
from lightning_pose.io.video_writer import write_video
from lightning_pose.types import Predictions, Problem, UserError

CLIPS = "clips"  # folder
AT_ONCE = 32  # frames that are decoded together
LONGEST_TRACE = 2000  # points
DEVIATION, DOUBT = "standard deviation, px", "1 - confidence"


@dataclass(frozen=True)
class VideoMember:
    """One model's predictions on a video, in frame pixels."""

    video: Path
    kind: str
    seed: str
    csv: Path


@dataclass(frozen=True)
class Clip:
    """A stretch of a video and what was found in it.

    Parameters
    ----------
    file : name of the MP4.
    start : number of its first frame in the video.
    start_s : when that is shown in the video.
    times_s : array, (n,)
        When its frames are shown, the first one at 0.
    frames : of the clip; nothing is labelled.
    bytes : size of the file.
    """

    file: str
    start: int
    start_s: float
    times_s: np.ndarray
    frames: GalleryFrames
    bytes: int


@dataclass(frozen=True)
class VideoClips:
    """A video with its least certain moments.

    Parameters
    ----------
    name : of the file.
    frame_hw : height and width of the frames as they are shown, pixels.
    seconds : how long it is.
    measure : what `trace` is.
    trace : array, (T,)
        How unsure the ensemble is of each frame; NaN = unknown.
    clips : the least certain first.
    """

    name: str
    frame_hw: tuple[int, int]
    seconds: float
    measure: str
    trace: np.ndarray
    clips: list[Clip]


def uncertainty(keypoints_px: np.ndarray, confidence: np.ndarray) -> tuple[str, np.ndarray]:
    """Return a measure's name and its value for each frame, (T,), averaged over the keypoints.

    Parameters
    ----------
    keypoints_px : array, (M, T, K, 2)
    confidence : array, (M, T, K)

    Returns
    -------
    The ensemble's standard deviation; with one member, which has none, what confidence lacks of 1.
    """
    if len(keypoints_px) < 2:
        return DOUBT, 1 - row_means(confidence[0])
    return DEVIATION, row_means(ensemble_standard_deviation(keypoints_px))


def find_moments(trace: np.ndarray, length: int, count: int) -> list[tuple[int, int]]:
    """Return up to `count` stretches (first frame, frame after the last) of at most `length` frames.

    Each lies around the highest value that no earlier stretch covers; none overlap.
    """
    left = np.where(np.isfinite(trace), trace, -np.inf)
    found: list[tuple[int, int]] = []
    while len(found) < count and left.size and np.isfinite(left.max()):
        peak = int(left.argmax())
        start = max(min(peak - length // 2, len(left) - length), 0)
        stop = min(start + length, len(left))
        for other_start, other_stop in found:  # what is taken stays with the earlier one
            if other_stop <= peak:
                start = max(start, other_stop)
            else:
                stop = min(stop, other_start)
        found.append((start, stop))
        left[start:stop] = -np.inf
    return found


def thinned(trace: np.ndarray, longest: int = LONGEST_TRACE) -> np.ndarray:
    """Return at most `longest` points, each the largest of as many values, so that no peak is lost."""
    each = -(-len(trace) // longest) if len(trace) else 1
    padded = np.full(-(-len(trace) // each) * each, np.nan)
    padded[: len(trace)] = trace
    rows = np.where(np.isfinite(padded), padded, -np.inf).reshape(-1, each).max(1)
    return np.where(np.isfinite(rows), rows, np.nan)


@dataclass(frozen=True)
class VideoFound:
    """A video and what its members found in it.

    Parameters
    ----------
    facts : of the video.
    members : whose predictions they are.
    keypoint_names : list of str
    keypoints_px : array, (M, T, K, 2)
    confidence : array, (M, T, K)
    """

    facts: VideoFacts
    members: list[VideoMember]
    keypoint_names: list[str]
    keypoints_px: np.ndarray
    confidence: np.ndarray


def read_videos(members: Sequence[VideoMember]) -> list[VideoFound]:
    """Read what the members of one or several videos found.

    Raises
    ------
    UserError
        If a video cannot be read, predictions do not fit it or one another, or a member of a video is named
        twice.
    """
    _check_members(members)
    videos = dict.fromkeys(member.video for member in members)
    return [_read_video(video, [own for own in members if own.video == video]) for video in videos]


def _check_members(members: Sequence[VideoMember]) -> None:
    check_kinds([member.kind for member in members], "--video_member")
    names = [f"{member.video} {member.kind} {member.seed}" for member in members]
    files = [f"{member.video} {member.csv.resolve()}" for member in members]
    problems = [
        Problem("--video_member", f"each {what} once for a video", f"{name} again")
        for what, own in (("kind and seed", names), ("file", files))
        for name in repeated(own)
    ]
    if problems:
        raise UserError(problems)


def _read_video(path: Path, members: list[VideoMember]) -> VideoFound:
    facts = probe_video(path)
    predictions = [_read(member, facts.frame_count) for member in members]
    names = _same_keypoints(predictions, members)
    keypoints_px = np.stack([_in_order(own, own.keypoints_px, names) for own in predictions])
    confidence = np.stack([_in_order(own, own.confidence, names) for own in predictions])
    return VideoFound(facts, members, names, keypoints_px, confidence)


def cut_clips(
    videos: Sequence[VideoFound],
    folder: Path,
    known: Mapping[str, int],
    count: int,
    seconds: float,
) -> list[VideoClips]:
    """Write the clips of all videos, but for those that are there already.

    Parameters
    ----------
    videos : and what was found in them.
    folder : of the gallery.
    known : sizes in bytes of clips of an earlier run, by name.
    count : of clips a video, at most.
    seconds : length of a clip.
    """
    return [_cut_video(found, folder, known, count, seconds) for found in videos]


def _cut_video(
    found: VideoFound, folder: Path, known: Mapping[str, int], count: int, seconds: float
) -> VideoClips:
    facts, keypoints_px, confidence = found.facts, found.keypoints_px, found.confidence
    measure, trace = uncertainty(keypoints_px, confidence)
    times_s = facts.times_s
    rate = (len(times_s) - 1) / times_s[-1] if len(times_s) > 1 and times_s[-1] > 0 else 1.0
    digest, video = sha256(facts.path), open_video(facts)
    clips, frame_hw = [], video.frame_hw()
    for start, stop in find_moments(trace, max(round(seconds * rate), 1), count):
        name = hashlib.sha256(f"{digest} {start} {stop}".encode()).hexdigest()[:16] + ".mp4"
        size = _cut(video, start, stop, folder / CLIPS / name, known.get(name))
        part = slice(start, stop)
        frames = _frames(
            found.members, found.keypoint_names, keypoints_px[:, part], confidence[:, part], start
        )
        start_s = float(times_s[start])
        clips.append(Clip(name, start, start_s, times_s[part] - start_s, frames, size))
    video.close()
    duration = float(times_s[-1]) + 1 / rate
    return VideoClips(facts.path.name, frame_hw, duration, measure, trace, clips)


def _read(member: VideoMember, frame_count: int) -> Predictions:
    predictions = read_predictions(member.csv)
    if list(predictions.index) != list(range(frame_count)):
        expected = f"a row for each of {frame_count} frames of {member.video}"
        raise UserError(Problem(str(member.csv), expected, f"{len(predictions.index)} rows"))
    return predictions


def _same_keypoints(predictions: list[Predictions], members: list[VideoMember]) -> list[str]:
    names = predictions[0].keypoint_names
    for own, member in zip(predictions, members, strict=True):
        if set(own.keypoint_names) != set(names):
            raise UserError(Problem(f"{member.csv}, header", f"keypoints {names}", str(own.keypoint_names)))
    return names


def _in_order(own: Predictions, values: np.ndarray, names: list[str]) -> np.ndarray:
    return values[:, [own.keypoint_names.index(name) for name in names]]


def _cut(video: Video, start: int, stop: int, path: Path, known_size: int | None) -> int:
    """Write frames `start` to `stop` - 1 as a video, if it is not there; return its size in bytes."""
    if known_size is not None and path.is_file() and path.stat().st_size == known_size:
        return known_size
    with write_video(path, video.frame_hw(), video.facts.times_s[start:stop]) as writer:
        for first in range(start, stop, AT_ONCE):
            for frame in video.read(first, min(AT_ONCE, stop - first)):
                writer.write(frame)
    return path.stat().st_size


def _frames(
    members: list[VideoMember], names: list[str], keypoints_px: np.ndarray, confidence: np.ndarray, start: int
) -> GalleryFrames:
    """Return the frames of a clip as the gallery knows them."""
    count, keypoints = keypoints_px.shape[1:3]
    return GalleryFrames(
        paths=[str(start + i) for i in range(count)],
        sets=[""] * count,
        keypoint_names=names,
        kinds=[member.kind for member in members],
        seeds=[member.seed for member in members],
        labels_px=np.full((count, keypoints, 2), np.nan),
        keypoints_px=keypoints_px,
        confidence=confidence,
        xywh_px=np.full((len(members), count, 4), np.nan),
        failures=np.zeros(count, np.uint8),
        notes=member_notes([member.kind for member in members]),
    )
