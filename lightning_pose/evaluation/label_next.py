"""The frames of a video most worth labelling: where the largest errors are expected, spread over time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.labels import write_labels
from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.types import Labels, Predictions, Problem, UserError

LABELS_FILE = "CollectedData.csv"


def select_frames(expected: np.ndarray, times_s: np.ndarray, count: int, apart_s: float) -> list[int]:
    """Return frames by mean expected error of their keypoints, the largest first.

    Parameters
    ----------
    expected : array, (N, K), pixels
        A frame of which nothing is known is not chosen.
    times_s : array, (N,)
    count : how many frames at most.
    apart_s : least time between two of them.
    """
    known = np.isfinite(expected)
    total, number = np.where(known, expected, 0.0).sum(1), known.sum(1)
    worth = np.divide(total, number, out=np.full(len(total), -np.inf), where=number > 0)
    chosen: list[int] = []
    while len(chosen) < count and np.isfinite(worth).any():
        frame = int(np.argmax(worth))
        chosen.append(frame)
        worth[np.abs(times_s - times_s[frame]) < apart_s] = -np.inf
        worth[frame] = -np.inf
    return chosen


def export_frames(
    predictions: Predictions,
    expected: np.ndarray,
    predictions_csv: Path,
    video: Path,
    folder: Path,
    count: int,
    apart_s: float,
) -> list[int]:
    """Write the frames most worth labelling as images, and a labels CSV with empty cells.

    The images are ``labeled-data/<video>/img<number>.png``, as DeepLabCut and Lightning Pose name them; the
    labels CSV has them in the order of their worth.

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
    frames = select_frames(expected, facts.times_s, count, apart_s)
    if not frames:
        raise UserError(Problem(str(predictions_csv), "frames with an expected error", "none"))
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
