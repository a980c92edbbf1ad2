"""The split of the labelled images, and the loaders of training and validation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from lightning_pose.data.augmentation import Augmentation
from lightning_pose.data.dataset import LabeledDataset, limit_training_rows, select_rows, split_rows
from lightning_pose.data.sampling import EpochBatches
from lightning_pose.data.threads import ThreadedLoader
from lightning_pose.data.unlabeled import UnlabeledSequences, sequence_loader
from lightning_pose.io.files import seal, write_atomic
from lightning_pose.io.model_dir import SPLITS_FILE
from lightning_pose.models.hardware import loading_threads, pick_device
from lightning_pose.settings import Settings, TrainingSettings, takes_context
from lightning_pose.types import Labels, Split

Loader = DataLoader | ThreadedLoader


def assign_splits(labels: Labels, training: TrainingSettings) -> list[Split]:
    """Split the rows; training frames that ``train_frames`` leaves out count as test."""
    seed = training.rng_seed_data_pt
    splits = split_rows(len(labels.image_paths), training.train_prob, training.val_prob, seed)
    kept = set(limit_training_rows(splits, training.train_frames, seed))
    return [
        Split.TEST if split is Split.TRAIN and row not in kept else split for row, split in enumerate(splits)
    ]


def write_splits(labels: Labels, splits: list[Split], output_dir: Path) -> None:
    """Write ``splits.json``."""
    with write_atomic(output_dir / SPLITS_FILE) as temporary:
        named = {path: split.value for path, split in zip(labels.image_paths, splits, strict=True)}
        temporary.write_text(json.dumps(seal(named), indent=1))


class TrainingData(pl.LightningDataModule):
    """Loaders for each process of a training.

    Parameters
    ----------
    settings : everything.
    labels : all labelled images, keypoints in image pixels.
    splits : what each of them is for.
    augmentation : of the training images.
    sequences : of unlabelled video, one a batch.
    """

    def __init__(
        self,
        settings: Settings,
        labels: Labels,
        splits: list[Split],
        augmentation: Augmentation,
        sequences: UnlabeledSequences | None = None,
    ) -> None:
        super().__init__()
        training, dims = settings.training, settings.data.image_resize_dims
        self.training = training
        self.seed = 100_003 * training.rng_seed_data_pt + training.rng_seed_model_pt
        self.batches, self.start = 0, 0
        self.sequences = sequences
        self._threads = 0 if training.num_workers is not None else loading_threads(pick_device())

        def dataset(split: Split, augmentation: Augmentation | None) -> LabeledDataset:
            chosen = select_rows(labels, [row for row, other in enumerate(splits) if other is split])
            data_dir = Path(settings.data.data_dir)
            context, workers = takes_context(settings.model.model_type), max(training.num_workers or 0, 1)
            size = dims.height, dims.width
            return LabeledDataset(chosen, data_dir, *size, augmentation, self.seed, context, workers)

        self.train_set = dataset(Split.TRAIN, augmentation)
        self.validation_set = dataset(Split.VALIDATION, None)

    def plan(self, batches: int, start: int) -> None:
        """Say how many batches the whole training has, and how many of them were done before."""
        self.batches, self.start = batches, start

    def _share(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def train_dataloader(self) -> Loader | WithVideo:
        """Return this process' part of the batches that are left."""
        rank, processes = self._share()
        batches = EpochBatches(
            len(self.train_set),
            self.training.train_batch_size,
            self.seed,
            self.batches,
            self.start,
            (rank, processes),
        )
        labelled = self._loader(self.train_set, batches)
        if self.sequences is None:
            return labelled
        own = range(self.start * processes + rank, self.batches * processes, processes)
        if self._threads:
            return WithVideo(labelled, ThreadedLoader(self.sequences, [[step] for step in own], 1, False))
        return WithVideo(labelled, sequence_loader(self.sequences, own, self.training.num_workers or 0))

    def validation_loader(self) -> Loader:
        """Return this process' part of the validation images."""
        rank, processes = self._share()
        rows, size = list(range(rank, len(self.validation_set), processes)), self.training.val_batch_size
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        return self._loader(self.validation_set, batches)

    def _loader(self, images: LabeledDataset, batches: Any) -> Loader:
        if self._threads:
            return ThreadedLoader(images, batches, self._threads)
        count = self.training.num_workers or 0
        # forked workers would wait for ever for threads of OpenCV and FFmpeg that no fork takes along
        method = "forkserver" if count else None
        return DataLoader(
            images,
            batch_sampler=batches,
            num_workers=count,
            persistent_workers=count > 0,
            multiprocessing_context=method,
        )


class WithVideo:
    """Batches of labelled images, each with a sequence of unlabelled frames under ``video``."""

    def __init__(self, labelled: Loader, video: Loader) -> None:
        self.labelled, self.video = labelled, video

    def __len__(self) -> int:
        return len(self.labelled)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch, sequence in zip(self.labelled, self.video, strict=True):
            yield {**batch, "video": sequence}
