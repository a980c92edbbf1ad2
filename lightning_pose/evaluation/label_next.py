"""The frames of a video most worth labelling: of large expected errors, apart in time, unlike in pose."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.types import Labels, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

LABELS_FILE = "CollectedData.csv"
LEAST_NOVELTY = 0.1  # of a pose that was chosen before: it may still be the worst by far


def select_frames(
    expected: np.ndarray,
    keypoints_px: np.ndarray,
    times_s: np.ndarray,
    count: int,
    apart_s: float,
    labelled: Collection[int] = (),
) -> list[int]:
    """Return the frames most worth labelling, the best first.

    A frame is worth the mean expected error of its keypoints, times how unlike its pose is to those chosen
    before: a distance of the standard deviation of the film's poses, or more, counts in full.

    Parameters
    ----------
    expected : array, (N, K), pixels
        A frame of which nothing is known is not chosen.
    keypoints_px : array, (N, K, 2)
        The poses; where in the frame the animal is does not count. NaN = not predicted.
    times_s : array, (N,)
    count : how many frames at most.
    apart_s : least time between two of them.
    labelled : frames that are as if chosen before, and not returned.
    """
    known = np.isfinite(expected)
    total, number = np.where(known, expected, 0.0).sum(1), known.sum(1)
    worth = np.divide(total, number, out=np.full(len(total), -np.inf), where=number > 0)
    poses = _poses(keypoints_px)
    usual = float(np.sqrt((_unlikeness(poses, poses.mean(0)) ** 2).mean()))
    novelty = np.ones(len(worth))

    def leave_out(frame: int) -> None:
        nonlocal novelty
        if usual > 0:
            novelty = np.clip(_unlikeness(poses, poses[frame]) / usual, LEAST_NOVELTY, novelty)
        worth[np.abs(times_s - times_s[frame]) < apart_s] = -np.inf
        worth[frame] = -np.inf

    for frame in labelled:
        leave_out(frame)
    chosen: list[int] = []
    while len(chosen) < count and np.isfinite(worth).any():
        chosen.append(int(np.argmax(worth * novelty)))
        leave_out(chosen[-1])
    return chosen


def _poses(keypoints_px: np.ndarray) -> np.ndarray:
    """Return poses relative to their centres, (N, K, 2); what is missing lies as in the mean pose."""
    known = np.isfinite(keypoints_px).all(-1, keepdims=True)
    count = known.sum(1, keepdims=True).clip(1)
    poses, mean = np.nan_to_num(keypoints_px), np.zeros(keypoints_px.shape[1:])
    for _ in range(2):  # a centre without some keypoints lies elsewhere, until their mean places are known
        centres = np.where(known, poses - mean, 0.0).sum(1, keepdims=True) / count
        centred = np.where(known, poses - centres, mean)
        mean = np.where(known, centred, 0.0).sum(0) / known.sum(0).clip(1)
    return centred


def _unlikeness(poses: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far keypoints lie from those of another pose, (N,), root of the mean square, pixels."""
    return np.sqrt(((poses - other) ** 2).sum(-1).mean(-1))


def labelled_frames(labels_csvs: Sequence[Path], video: Path, frame_count: int) -> set[int]:
    """Return the frames of a video that labels CSVs have, as ``.../<video>/img<number>.png``.

    Raises
    ------
    UserError
        If a CSV has a frame that the video does not have, and so is of another one of its name.
    """
    found, problems = set(), []
    for path in labels_csvs:
        for name in map(PurePosixPath, read_labels(path).image_paths):
            number = re.search(r"(\d+)$", name.stem)
            if number is None or name.parent.name != video.stem:
                continue
            found.add(int(number[1]))
            if int(number[1]) >= frame_count:
                expected = f"a frame of {video}, which has {frame_count}"
                problems.append(Problem(f"{path}, {name}", expected, number[1]))
    if problems:
        raise UserError(problems)
    return found


def export_frames(
    predictions: Predictions,
    expected: np.ndarray,
    predictions_csv: Path,
    video: Path,
    folder: Path,
    count: int,
    apart_s: float,
    labels_csvs: Sequence[Path] = (),
) -> list[int]:
    """Write the frames most worth labelling as images, and a labels CSV with empty cells.

    The images are ``labeled-data/<video>/img<number>.png``, as DeepLabCut and Lightning Pose name them; the
    labels CSV has them in the order of their worth. Those that `labels_csvs` have, by these names, are left
    out, and count as chosen before.

    Raises
    ------
    UserError
        If the predictions are not of that video, or there is such a labels CSV, in which labels may be.
    """
    labels_csv = folder / LABELS_FILE
    if labels_csv.exists():
        raise UserError(Problem(str(labels_csv), "no such file yet: it may have labels", "one"))
    facts = probe_video(video)
    if list(predictions.index) != list(range(facts.frame_count)):
        found = f"{len(predictions.index)} rows"
        raise UserError(
            Problem(str(predictions_csv), f"a row for each of {facts.frame_count} frames of {video}", found)
        )
    labelled = labelled_frames(labels_csvs, video, facts.frame_count)
    if labels_csvs:
        logger.info("%s: %d frames have labels already", video, len(labelled))
    frames = select_frames(expected, predictions.keypoints_px, facts.times_s, count, apart_s, labelled)
    if not frames:
        rest = f", {apart_s:g} s from those with labels" if labelled else ""
        raise UserError(Problem(str(predictions_csv), f"frames with an expected error{rest}", "none"))
    if len(frames) < count:
        logger.warning("%s: %d frames that are %g s apart, not %d", video, len(frames), apart_s, count)
    names = {frame: f"labeled-data/{video.stem}/img{frame:08d}.png" for frame in frames}
    opened = open_video(facts)
    for frame in sorted(frames):  # as the film runs
        _write_image(opened.read(frame, 1)[0], folder / names[frame])
    opened.close()
    keypoints = predictions.keypoint_names
    empty = np.full((len(frames), len(keypoints), 2), np.nan)
    write_labels(Labels([names[frame] for frame in frames], keypoints, empty), labels_csv)
    return frames


def _write_image(image: np.ndarray, path: Path) -> None:
    with write_atomic(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
