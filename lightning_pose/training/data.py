"""The split of the labelled images, and the loaders of training and validation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Subset

from lightning_pose.data.augmentation import Augmentation
from lightning_pose.data.dataset import LabeledDataset, limit_training_rows, select_rows, split_rows
from lightning_pose.data.sampling import EpochBatches
from lightning_pose.data.unlabeled import UnlabeledSequences, sequence_loader
from lightning_pose.io.files import write_atomic
from lightning_pose.io.model_dir import SPLITS_FILE
from lightning_pose.models.hardware import loading_processes, pick_device
from lightning_pose.settings import Settings, TrainingSettings, takes_context
from lightning_pose.types import Labels, Split

VIDEO_WORKERS = 2  # processes that decode unlabelled videos: each has them open, on a GPU if there is one


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
        temporary.write_text(json.dumps(named, indent=1))


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

        def dataset(split: Split, augmentation: Augmentation | None) -> LabeledDataset:
            chosen = select_rows(labels, [row for row, other in enumerate(splits) if other is split])
            data_dir = Path(settings.data.data_dir)
            context = takes_context(settings.model.model_type)
            return LabeledDataset(chosen, data_dir, dims.height, dims.width, augmentation, self.seed, context)

        self.train_set = dataset(Split.TRAIN, augmentation)
        self.validation_set = dataset(Split.VALIDATION, None)

    def plan(self, batches: int, start: int) -> None:
        """Say how many batches the whole training has, and how many of them were done before."""
        self.batches, self.start = batches, start

    def _share(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def train_dataloader(self) -> DataLoader | WithVideo:
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
        labelled = DataLoader(self.train_set, batch_sampler=batches, **self._workers())
        if self.sequences is None:
            return labelled
        own = range(self.start * processes + rank, self.batches * processes, processes)
        workers = min(loading_processes(self.training.num_workers), VIDEO_WORKERS)
        return WithVideo(labelled, sequence_loader(self.sequences, own, workers))

    def validation_loader(self) -> DataLoader:
        """Return this process' part of the validation images."""
        rank, processes = self._share()
        own = Subset(self.validation_set, range(rank, len(self.validation_set), processes))
        return DataLoader(own, batch_size=self.training.val_batch_size, **self._workers())

    def _workers(self) -> dict[str, Any]:
        count = loading_processes(self.training.num_workers)
        # forked workers would wait for ever for threads of OpenCV and FFmpeg that no fork takes along
        method = "forkserver" if count else None
        return {
            "num_workers": count,
            "persistent_workers": count > 0,
            "multiprocessing_context": method,
            "pin_memory": pick_device().type == "cuda",
        }


class WithVideo:
    """Batches of labelled images, each with a sequence of unlabelled frames under ``video``."""

    def __init__(self, labelled: DataLoader, video: DataLoader) -> None:
        self.labelled, self.video = labelled, video

    def __len__(self) -> int:
        return len(self.labelled)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch, sequence in zip(self.labelled, self.video, strict=True):
            yield {**batch, "video": sequence}
