"""Labelled images as a network sees them: one dataset class, one split.

Images are resized to the model's input once and kept in memory while they fit; keypoints follow into
model pixels. A sample is asked for as (epoch, row): its random augmentation depends on nothing else.
"""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from lightning_pose.data.augmentation import Augmentation, augment, mirror_order
from lightning_pose.geometry.crop_space import frame_to_crop
from lightning_pose.types import Labels, Problem, Split, UserError

logger = logging.getLogger(__name__)

CACHE_BYTES = 2 << 30


def read_image(path: Path) -> np.ndarray:
    """Read an image as RGB, (H, W, 3) uint8.

    Raises
    ------
    UserError
        If the file is missing or no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        found = "no such file" if not path.exists() else "unreadable"
        raise UserError(Problem(str(path), "an image", found))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize with pixel centres at integers; averages when it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


class LabeledDataset(Dataset):
    """Images of `labels` at the model's size.

    Parameters
    ----------
    labels : what to load, keypoints in image pixels.
    data_dir : folder that image paths are relative to.
    height, width : of the network's input.
    augmentation : ranges; None = no augmentation.
    seed : of the augmentation.
    """

    def __init__(
        self,
        labels: Labels,
        data_dir: Path,
        height: int,
        width: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.labels, self.data_dir = labels, Path(data_dir)
        self.height, self.width = height, width
        self.augmentation, self.seed = augmentation, seed
        self.mirror = mirror_order(labels.keypoint_names)
        self._cache: dict[int, tuple[np.ndarray, tuple[int, int]]] = {}
        self._keeps = len(labels.image_paths) * height * width * 3 < CACHE_BYTES

    def __len__(self) -> int:
        return len(self.labels.image_paths)

    def image(self, row: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the resized image and the (height, width) it had."""
        if row in self._cache:
            return self._cache[row]
        original = read_image(self.data_dir / self.labels.image_paths[row])
        loaded = resize_image(original, self.height, self.width), original.shape[:2]
        if self._keeps:
            self._cache[row] = loaded
        return loaded

    def __getitem__(self, sample: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        """Return image (3, H, W) uint8, keypoints in model and image pixels, image size and row."""
        epoch, row = sample if isinstance(sample, tuple) else (0, sample)
        image, (height, width) = self.image(row)
        keypoints_px = self.labels.keypoints_px[row]
        whole = np.array([[0.0, 0.0, width, height]])
        keypoints_model_px = frame_to_crop(keypoints_px[None], whole, (self.height, self.width))[0]
        if self.augmentation is not None:
            rng = np.random.default_rng((self.seed, epoch, row))
            image, keypoints_model_px = augment(
                image, keypoints_model_px, self.augmentation, self.mirror, rng
            )
        return {
            "images": torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1),
            "keypoints_model_px": torch.from_numpy(keypoints_model_px).float(),
            "keypoints_px": torch.from_numpy(keypoints_px).float(),
            "image_size": torch.tensor([width, height], dtype=torch.float32),
            "row": torch.tensor(row),
        }


def split_rows(count: int, train_prob: float, val_prob: float, seed: int) -> list[Split]:
    """Assign each of `count` rows to a split, at random; at least one row trains.

    There is at least one validation row whenever there are two rows.
    """
    order = np.random.default_rng(seed).permutation(count)
    validation = min(max(round(count * val_prob), 1), count - 1)
    test = min(max(count - validation - round(count * train_prob), 0), count - 1 - validation)
    splits = [Split.TRAIN] * count
    for row in order[:validation]:
        splits[row] = Split.VALIDATION
    for row in order[validation : validation + test]:
        splits[row] = Split.TEST
    return splits


def limit_training_rows(splits: list[Split], train_frames: float, seed: int) -> list[int]:
    """Return the rows to train on: a share (up to 1) or a number of the training rows."""
    rows = [row for row, split in enumerate(splits) if split is Split.TRAIN]
    count = round(train_frames * len(rows)) if train_frames <= 1 else int(train_frames)
    if count > len(rows):
        logger.warning(
            "training.train_frames: %d asked for, %d there: training on all of them", count, len(rows)
        )
    if count >= len(rows):
        return rows
    order = np.random.default_rng((seed, 1)).permutation(len(rows))
    return sorted(rows[i] for i in order[: max(count, 1)])


def select_rows(labels: Labels, rows: list[int]) -> Labels:
    """Return the labels of some rows."""
    return Labels(
        image_paths=[labels.image_paths[row] for row in rows],
        keypoint_names=labels.keypoint_names,
        keypoints_px=labels.keypoints_px[rows],
        visible=None if labels.visible is None else labels.visible[rows],
        scorer=labels.scorer,
    )
