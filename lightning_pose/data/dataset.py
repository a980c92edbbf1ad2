"""Labelled images as a network sees them: one dataset class, one split.

Images are resized to the model's input once and kept in memory while they fit; keypoints follow into
model pixels. A sample is asked for as (epoch, row): its random augmentation depends on nothing else.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from lightning_pose.data.augmentation import Augmentation, augment
from lightning_pose.data.context import Source, context_of_all
from lightning_pose.data.cut import resize_each_way
from lightning_pose.geometry.crop_space import frame_to_crop
from lightning_pose.geometry.sides import mirror_order
from lightning_pose.io.images import read_image
from lightning_pose.types import Labels, Split, Visibility

logger = logging.getLogger(__name__)

CACHE_BYTES = 2 << 30
STACKED = 4  # crops in a file of context


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize to the network's input: see `resize_each_way`."""
    return resize_each_way(image, (height, width))


def read_with_context(
    sources: list[Source], data_dir: Path, height: int, width: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Read an image and its neighbours, (5, height, width, 3), and return the (height, width) it had."""
    frames = {source: read_source(source, data_dir) for source in set(sources)}
    small = {source: resize_image(frame, height, width) for source, frame in frames.items()}
    middle = frames[sources[len(sources) // 2]]
    return np.stack([small[source] for source in sources]), middle.shape[:2]


def read_source(source: Source, data_dir: Path) -> np.ndarray:
    """Read a frame, RGB, (H, W, 3) uint8, from its own file or from a pile of four."""
    image = read_image(data_dir / source.path)
    if source.part is None:
        return image
    height = image.shape[0] // STACKED
    return image[source.part * height : (source.part + 1) * height]


class LabeledDataset(Dataset):
    """Images of `labels` at the model's size.

    Parameters
    ----------
    labels : what to load, keypoints in image pixels; see `with_visibility` for empty ones.
    data_dir : folder that image paths are relative to.
    height, width : of the network's input.
    augmentation : ranges; None = no augmentation.
    seed : of the augmentation.
    context : give five frames a sample, the labelled one in the middle, all augmented alike.
    workers : processes that load images, each of which keeps its own.
    """

    def __init__(
        self,
        labels: Labels,
        data_dir: Path,
        height: int,
        width: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        context: bool = False,
        workers: int = 1,
    ) -> None:
        self.labels, self.data_dir = labels, Path(data_dir)
        self.height, self.width = height, width
        self.augmentation, self.seed = augmentation, seed
        self.mirror = mirror_order(labels.keypoint_names)
        self.visible: np.ndarray = visibility(labels)
        self.sources = context_of_all(labels.image_paths, self.data_dir) if context else None
        self._cache: dict[int, tuple[np.ndarray, tuple[int, int]]] = {}
        frames = 1 if self.sources is None else len(self.sources[0])
        self._keeps = workers * len(labels.image_paths) * frames * height * width * 3 < CACHE_BYTES

    def __len__(self) -> int:
        return len(self.labels.image_paths)

    def image(self, row: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the resized image, or the five in a row, and the (height, width) they had."""
        if row in self._cache:
            return self._cache[row]
        if self.sources is None:
            original = read_image(self.data_dir / self.labels.image_paths[row])
            loaded = resize_image(original, self.height, self.width), original.shape[:2]
        else:
            loaded = read_with_context(self.sources[row], self.data_dir, self.height, self.width)
        if self._keeps:
            self._cache[row] = loaded
        return loaded

    def __getitem__(self, sample: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        """Return image, keypoints in model and image pixels, their visibility, image size and row.

        The image is (3, H, W) uint8, or (5, 3, H, W) with context.
        """
        epoch, row = sample if isinstance(sample, tuple) else (0, sample)
        image, (height, width) = self.image(row)
        keypoints_px = self.labels.keypoints_px[row]
        whole = np.array([[0.0, 0.0, width, height]])
        keypoints_model_px = frame_to_crop(keypoints_px[None], whole, (self.height, self.width))[0]
        visible = self.visible[row]
        if self.augmentation is not None:
            seed = (self.seed, epoch, row)
            image, keypoints_model_px, mirrored = augment_frames(
                image, keypoints_model_px, self.augmentation, self.mirror, seed
            )
            visible = visible[self.mirror] if mirrored else visible
        return {
            "images": torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, -3))),
            "keypoints_model_px": torch.from_numpy(keypoints_model_px).float(),
            "visible": torch.from_numpy(visible),
            "keypoints_px": torch.from_numpy(keypoints_px).float(),
            "image_size": torch.tensor([width, height], dtype=torch.float32),
            "row": torch.tensor(row),
        }


def augment_frames(
    frames: np.ndarray,
    keypoints_model_px: np.ndarray,
    ranges: Augmentation,
    mirror: np.ndarray,
    seed: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Transform an image, (H, W, 3), or several in a row, (5, H, W, 3), by one and the same draw.

    Returns
    -------
    frames : array, of the same shape
    keypoints_model_px : array, (K, 2)
    mirrored : bool
        Whether left has become right, so that `mirror` says which keypoint became which.
    """
    corner = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    points = np.concatenate([keypoints_model_px, corner])
    order = np.concatenate([mirror, len(mirror) + np.arange(len(corner))])
    several = frames if frames.ndim == 4 else frames[None]
    done = [augment(frame, points, ranges, order, np.random.default_rng(seed)) for frame in several]
    moved = done[0][1]
    origin, right, down = moved[len(mirror) :]
    mirrored = bool(np.linalg.det([right - origin, down - origin]) < 0)
    images = np.stack([image for image, _ in done])
    return images if frames.ndim == 4 else images[0], moved[: len(mirror)], mirrored


def with_visibility(labels: Labels, uniform: bool) -> Labels:
    """Fill in what labels without a column ``visible`` say of each keypoint, as upstream does.

    Parameters
    ----------
    labels : with the column they stay as they are.
    uniform : ``training.uniform_heatmaps_for_nan_keypoints``: an empty cell means that the keypoint is
        occluded, else that it is not labelled.
    """
    return replace(labels, visible=visibility(labels, uniform))


def visibility(labels: Labels, uniform: bool = False) -> np.ndarray:
    """Return what labels say of each keypoint, (N, K) int8 of `Visibility`: see `with_visibility`."""
    if labels.visible is not None:
        return labels.visible
    empty = Visibility.OCCLUDED if uniform else Visibility.NOT_LABELLED
    labelled = np.isfinite(labels.keypoints_px).all(-1)
    return np.where(labelled, Visibility.VISIBLE, empty).astype(np.int8)


def split_rows(count: int, train_prob: float, val_prob: float, seed: int) -> list[Split]:
    """Assign each of `count` rows to a split, at random; at least one row trains.

    There is at least one validation row whenever there are two rows, and no test row where shares sum to 1.
    """
    order = np.random.default_rng(seed).permutation(count)
    validation = min(max(round(count * val_prob), 1), count - 1)
    test = min(max(count - validation - round(count * train_prob), 0), count - 1 - validation)
    if math.isclose(train_prob + val_prob, 1):
        test = 0  # 40.5 and 4.5 of 45 rows are both rounded down
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
