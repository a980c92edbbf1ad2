"""What a file of another tool comes down to: one animal in each of N frames, and where the images are.

In all three tools' files the centre of the first pixel is (0, 0), as here, so that no coordinate changes.
Arrays: K keypoints.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from lightning_pose.io.tables import own_path
from lightning_pose.types import Labels, Predictions, Problem, UserError, Visibility

logger = logging.getLogger(__name__)

ImageSource = Path | Callable[[], np.ndarray]  # a file, or what gives (H, W, 3) or (H, W) uint8


@dataclass(frozen=True)
class Contents:
    """What was read.

    Parameters
    ----------
    poses : labels or predictions.
    images : path in a data folder -> where the image comes from; none for predictions.
    videos : files that belong to them.
    """

    poses: Labels | Predictions
    images: Mapping[str, ImageSource] = field(default_factory=dict)
    videos: Sequence[Path] = ()


@dataclass(frozen=True)
class Animal:
    """One animal in one frame.

    Parameters
    ----------
    keypoints_px : array, (K, 2)
        NaN = not there.
    visible : array, (K,), or None
        One of `Visibility`; of labels.
    confidence : array, (K,), or None
        Of predictions.
    score : float
        Of the whole animal.
    """

    keypoints_px: np.ndarray
    visible: np.ndarray | None = None
    confidence: np.ndarray | None = None
    score: float = 0.0

    def rank(self) -> tuple[int, float]:
        """Return what decides between several: how many keypoints there are, then the score."""
        return int(np.isfinite(self.keypoints_px).all(axis=-1).sum()), self.score


def keep_one(source: Path, frames: list[list[Animal]]) -> list[Animal]:
    """Return the best of the animals of each frame, and say how many are left."""
    left = sum(len(animals) - 1 for animals in frames)
    if left:
        count = sum(len(animals) > 1 for animals in frames)
        logger.warning(
            "%s: %d of %d frames show several animals; the one with most keypoints is kept, %d are left",
            source,
            count,
            len(frames),
            left,
        )
    return [max(animals, key=Animal.rank) for animals in frames]


def as_labels(
    paths: list[str], names: list[str], animals: list[Animal], scorer: str, has_visibility: bool
) -> Labels:
    """Stack labelled animals, one a frame."""
    keypoints_px = np.stack([animal.keypoints_px for animal in animals])
    visible = np.array([animal.visible for animal in animals], np.int8) if has_visibility else None
    return Labels(paths, names, keypoints_px, visible, scorer)


def as_predictions(index: list, names: list[str], animals: list[Animal], scorer: str) -> Predictions:
    """Stack predicted animals, one a frame."""
    keypoints_px = np.stack([animal.keypoints_px for animal in animals])
    confidence = np.array([animal.confidence for animal in animals], float)
    return Predictions(index, names, keypoints_px, confidence, scorer=scorer)


def rows_of(poses: Labels | Predictions) -> list:
    """Return what the rows are named by: image paths, or frame numbers."""
    return poses.image_paths if isinstance(poses, Labels) else poses.index


def occluded(labels: Labels) -> int:
    """Count the keypoints that are labelled as hidden."""
    return 0 if labels.visible is None else int((labels.visible == Visibility.OCCLUDED).sum())


def refuse_to_lose(there: Mapping[Path, Labels], brought: Labels) -> None:
    """Refuse to write over files whose labels, which people may have made, are not among those to be written.

    Raises
    ------
    UserError
        For each such file.
    """
    own = _labelled(brought)
    lost = {path: sorted({image for image, _ in _labelled(labels) - own}) for path, labels in there.items()}
    expected = "no labels but those to be written (give another folder)"
    problems = [
        Problem(str(path), expected, f"{len(images)} labelled frames that would be lost, such as {images[0]}")
        for path, images in lost.items()
        if images
    ]
    if problems:
        raise UserError(problems)


def _labelled(labels: Labels) -> set[tuple[str, str]]:
    """Return image and keypoint of each label."""
    rows, columns = np.nonzero(np.isfinite(labels.keypoints_px).all(axis=-1))
    return {(labels.image_paths[n], labels.keypoint_names[k]) for n, k in zip(rows, columns, strict=True)}


def say_what_is_left(poses: Labels | Predictions, path: Path, tool: str) -> None:
    """Name what a tool's files have no place for; those of COCO have for all but further columns."""
    left = []
    if isinstance(poses, Predictions) and poses.further:
        left.append(f"the columns {', '.join(poses.further)}")
    if tool == "COCO":
        pass
    elif isinstance(poses, Labels):
        if occluded(poses):
            left.append(f"that {occluded(poses)} keypoints are occluded")
    else:
        left += ["the column set"] * (poses.splits is not None)
        left += ["the boxes"] * (poses.xywh_frame_px is not None)
    if left:
        logger.warning("%s: files of %s have no place for %s; left", path, tool, " and ".join(left))


def choose(source: Path, what: str, counts: Mapping[str, int], wanted: str | None) -> str:
    """Return the name that is wanted, or that of the most animals; say which others are left.

    Parameters
    ----------
    source : the file.
    what : ``skeleton``, ``category``: what the names are of.
    counts : how many animals each has; not empty.
    wanted : by the user.

    Raises
    ------
    UserError
        If there is none of the wanted name.
    """
    if wanted is not None and wanted not in counts:
        raise UserError(Problem(f"{source}, --skeleton", " or ".join(counts), wanted))
    name = max(counts, key=counts.__getitem__) if wanted is None else wanted
    left = [f"{other} ({count} animals)" for other, count in counts.items() if other != name]
    if left:
        logger.warning("%s: %s %s is taken; left: %s", source, what, name, ", ".join(left))
    return name


def stays_inside(name: str) -> bool:
    """Say whether a path stays in the folder that it is relative to, on any system."""
    windows = PureWindowsPath(name)
    return bool(name) and not (windows.drive or windows.root or ".." in windows.parts)


def session_path(name: str) -> str:
    """Return a place in a data folder for an image: ``labeled-data/<its folder>/<its name>``.

    Raises
    ------
    UserError
        If it has no name.
    """
    parts = [
        part
        for part in PurePosixPath(own_path(name)).parts
        if part not in ("/", "..", ".") and not part.endswith(":")
    ]
    if not parts:
        raise UserError(Problem("an image", "the path of a file", repr(name)))
    return "/".join(["labeled-data", parts[-2] if len(parts) > 1 else "images", parts[-1]])


def check_unique(source: Path, paths: Sequence[str]) -> None:
    """Refuse two rows of one image, or frame.

    Raises
    ------
    UserError
        Naming them.
    """
    twice = sorted(path for path, count in Counter(paths).items() if count > 1)
    if twice:
        raise UserError([Problem(str(source), "one row for each image", f"{path} twice") for path in twice])
