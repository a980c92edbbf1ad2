"""Typed records that pass between the parts, the error family, and the axis legend.

Axes: N rows (frames or images), K keypoints, C channels, H W pixels, B batch, T time.
Coordinate spaces are part of an array's name: ``_frame_px`` (the filmed frame), ``_crop_px`` (a crop
file as it lies on disk), ``_model_px`` (the network's input). In all of them the centre of the first
pixel is (0, 0), x grows to the right and y downwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what a user gave.

    Parameters
    ----------
    where : str
        The file, then row or key: ``labels.csv, row 5, beak_top_x``.
    expected, found : str
        What should stand there and what does.
    """

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"


RESERVED_NAMES = ("bbox", "set")  # of columns beside those of keypoints
PROBLEM = re.compile(r"^(.*?): expected (.*), found (.*)$", re.MULTILINE)  # as a text


class UserError(Exception):
    """A user's mistake: the command line prints each problem in one line and exits with 2."""

    def __init__(self, problems: Problem | Iterable[Problem] | str) -> None:
        if isinstance(problems, str):  # of another process: torch hands on text, behind a traceback
            problems = [Problem(*parts) for parts in PROBLEM.findall(problems.rpartition("UserError: ")[2])]
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, its type where it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


class Split(str, Enum):
    """What a labelled frame was used for in a training."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class BoxStatus(str, Enum):
    """How a bounding box came about."""

    DETECTED = "detected"
    FALLBACK = "fallback"  # the detector saw nothing: the box is the whole frame
    INTERPOLATED = "interpolated"  # the detector did not look: the box follows from other frames
    CARRIED = "carried"  # the detector saw nothing credible: the box follows from other frames of the video


class Visibility(IntEnum):
    """What a label says of a keypoint, by COCO's numbers."""

    NOT_LABELLED = 0  # nothing: it teaches nothing
    OCCLUDED = 1  # hidden: a heatmap shall be flat, whatever coordinates there are
    VISIBLE = 2


@dataclass(frozen=True)
class Labels:
    """Labelled keypoints of N images.

    Parameters
    ----------
    image_paths : list of str
        Paths relative to the data folder, with forward slashes.
    keypoint_names : list of str
    keypoints_px : array, (N, K, 2), float64
        Pixels of the labelled image; NaN = not labelled.
    visible : array, (N, K), int8, or None
        One of `Visibility`; None = the file has no such column.
    scorer : str
    """

    image_paths: list[str]
    keypoint_names: list[str]
    keypoints_px: np.ndarray
    visible: np.ndarray | None = None
    scorer: str = "scorer"


@dataclass(frozen=True)
class Predictions:
    """Predicted keypoints of N images or video frames.

    Parameters
    ----------
    index : list
        Image paths, or frame numbers 0..N-1 for a video.
    keypoint_names : list of str
    keypoints_px : array, (N, K, 2), float64
        Pixels of the image predicted on; NaN = nothing predicted.
    confidence : array, (N, K), float64
        From 0 to 1.
    splits : list of str, or None
        ``train``, ``validation`` or ``test`` for labelled frames.
    scorer : str
    xywh_frame_px : array, (N, 4), or None
        The box that each frame was looked at in: x, y, w, h; None = not told.
    further : dict
        Further columns of each keypoint by their names in files, (N, K): of an ensemble ``x_ens_var``, ...
    """

    index: list[str] | list[int]
    keypoint_names: list[str]
    keypoints_px: np.ndarray
    confidence: np.ndarray
    splits: list[str] | None = None
    scorer: str = "lightning_pose"
    xywh_frame_px: np.ndarray | None = None
    further: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Boxes:
    """Bounding boxes of N images or video frames, in frame pixels.

    Parameters
    ----------
    index : list
        Image paths, or frame numbers 0..N-1 for a video.
    xywh_px : array, (N, 4), float64
        Top-left corner, width and height. A box with x = 10 and w = 20 covers the pixel columns 10 to 29,
        the stretch from 9.5 to 29.5. It may reach outside the frame.
    status : list of str, or None
        One of `BoxStatus` for each row; None = unknown (boxes of another tool).
    confidence : array, (N,), or None
        Of the detector in the keypoints that the box was placed around, their mean; NaN = it did not look at
        the frame, or saw nothing credible; None = unknown.
    """

    index: list[str] | list[int]
    xywh_px: np.ndarray
    status: list[str] | None = None
    confidence: np.ndarray | None = None

    def rows(self, rows: Sequence[int] | np.ndarray) -> Boxes:
        """Return the boxes of some rows, in their order."""
        index: Any = [self.index[row] for row in rows]
        status = None if self.status is None else [self.status[row] for row in rows]
        confidence = None if self.confidence is None else self.confidence[list(rows)]
        return Boxes(index, self.xywh_px[list(rows)], status, confidence)
