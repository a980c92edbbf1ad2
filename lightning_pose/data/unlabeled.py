"""Sequences of consecutive frames of unlabelled videos, as a network sees them.

A sample is asked for by the number of the training step: which video, where in it and how it is augmented
depend on the seed and the step alone, so that neither the number of workers nor an interruption changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lightning_pose.data.augmentation import Augmentation, augment
from lightning_pose.data.clips import Clip, ClipFacts
from lightning_pose.data.dataset import CACHE_BYTES
from lightning_pose.settings import VideoLibrary

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # three points tell an affine map


class UnlabeledSequences(Dataset):
    """Sequences of unlabelled videos.

    Parameters
    ----------
    clips : the videos, and their boxes where crops are trained on.
    height, width : of the network's input.
    length : T, frames a sequence.
    augmentation : ranges, drawn once a sequence; its flips are left out, since left is not right in a mirror.
        None = no augmentation.
    seed : of the choice and the augmentation.
    library, on_gpu : see `lightning_pose.io.video.open_video`.
    workers : processes that load them, each of which keeps its own frames.
    """

    def __init__(
        self,
        clips: Sequence[ClipFacts],
        height: int,
        width: int,
        length: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        library: VideoLibrary = VideoLibrary.auto,
        on_gpu: bool = False,
        workers: int = 1,
    ) -> None:
        total = sum(facts.video.frame_count for facts in clips)
        keeps = workers * total * height * width * 3 < CACHE_BYTES
        self.clips = [Clip(facts, height, width, keeps, library, on_gpu) for facts in clips]
        self.length, self.seed = length, seed
        if augmentation is not None:
            augmentation = replace(augmentation, flip_horizontal=0.0, flip_vertical=0.0)
        self.augmentation = augmentation
        self._ends = np.cumsum([len(clip) - length + 1 for clip in self.clips])

    def __len__(self) -> int:
        """How many different sequences there are."""
        return int(self._ends[-1])

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        """Return the sequence of a step.

        Returns
        -------
        images : tensor, (T, 3, H, W), uint8
        model_to_frame : tensor, (T, 3, 3), float32
            Maps pixels of each image, homogeneous (x, y, 1), to pixels of its video frame: undoes the
            augmentation, then the crop.
        clip, start : which video, and its first frame here.
        """
        choice = np.random.default_rng((self.seed, step)).integers(len(self))
        which = int(np.searchsorted(self._ends, choice, side="right"))
        start = int(choice - (self._ends[which - 1] if which else 0))
        clip = self.clips[which]
        frames, undo = self._augmented(clip.frames(start, self.length), step)
        to_frame = box_matrices(clip.boxes(start, self.length), (clip.height, clip.width)) @ undo
        return {
            "images": torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))),
            "model_to_frame": torch.from_numpy(to_frame).float(),
            "clip": torch.tensor(which),
            "start": torch.tensor(start),
        }

    def _augmented(self, frames: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return frames that all went through the same random draw, and the 3x3 matrix that undoes it."""
        if self.augmentation is None:
            return frames, np.eye(3)
        out, moved = np.empty_like(frames), CORNERS
        for row, frame in enumerate(frames):
            rng = np.random.default_rng((self.seed, step, 1))  # the same for every frame
            out[row], moved = augment(frame, CORNERS, self.augmentation, np.arange(len(CORNERS)), rng)
        matrix = np.eye(3)
        matrix[:2, 2] = moved[0]
        matrix[:2, :2] = (moved[1:] - moved[0]).T
        return out, np.linalg.inv(matrix)


def sequence_loader(dataset: UnlabeledSequences, steps: range, workers: int = 0) -> DataLoader:
    """Return a loader of the sequences of some steps.

    Worker processes are not forked: the threads of OpenCV and FFmpeg would not survive it, and the workers
    would wait for them for ever.
    """
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        multiprocessing_context="forkserver" if workers else None,
    )


def box_matrices(xywh_px: np.ndarray, model_hw: tuple[int, int]) -> np.ndarray:
    """Return the matrices that map model to frame pixels, (T, 3, 3), of boxes (T, 4).

    The same map as `lightning_pose.geometry.crop_space.crop_to_frame`.
    """
    scale = xywh_px[:, 2:] / np.array([model_hw[1], model_hw[0]])
    matrices = np.tile(np.eye(3), (len(xywh_px), 1, 1))
    matrices[:, [0, 1], [0, 1]] = scale
    matrices[:, :2, 2] = xywh_px[:, :2] - 0.5 + 0.5 * scale
    return matrices


def to_frame_px(keypoints_model_px: torch.Tensor, model_to_frame: torch.Tensor) -> torch.Tensor:
    """Map keypoints to frame pixels, (T, K, 2), each by the matrix of its image, (T, 3, 3)."""
    linear, shift = model_to_frame[:, :2, :2], model_to_frame[:, :2, 2]
    return keypoints_model_px @ linear.transpose(-1, -2) + shift[:, None]
