"""Train a network from settings and labels, and leave a model folder."""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from lightning_pose.config import to_yaml
from lightning_pose.data.augmentation import Augmentation, parse_augmentation, without_partner
from lightning_pose.data.dataset import (
    EpochSampler,
    LabeledDataset,
    limit_training_rows,
    select_rows,
    split_rows,
    with_visibility,
)
from lightning_pose.io.files import write_atomic
from lightning_pose.io.model_dir import CONFIG_FILE, SPLITS_FILE, WEIGHTS_FILE
from lightning_pose.models.build import build_network
from lightning_pose.models.hardware import pick_device, resolve_precision, set_threads
from lightning_pose.settings import Precision, Settings, takes_context
from lightning_pose.training.module import PoseModule
from lightning_pose.types import Labels, Split

logger = logging.getLogger(__name__)


class BestWeights(Callback):
    """Keep the weights of the lowest validation error."""

    def __init__(self) -> None:
        self.error = math.inf
        self.step = self.last_step = 0
        self.state: dict[str, torch.Tensor] | None = None

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Copy the weights if they are the best so far."""
        error = float(trainer.callback_metrics.get("val_pixel_error", math.nan))
        self.last_step = trainer.global_step
        logger.info("step %d: validation error %.2f px", trainer.global_step, error)
        if error < self.error:
            network: Any = module.network
            self.error, self.step = error, trainer.global_step
            self.state = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def fit(settings: Settings, labels: Labels, output_dir: Path) -> None:
    """Train and write ``config.yaml``, ``splits.json``, ``tb_logs/`` and, last, ``model.safetensors``.

    Parameters
    ----------
    settings : everything; the data folder is ``settings.data.data_dir``.
    labels : all labelled images, to be split here; keypoints in image pixels.
    output_dir : the model folder.

    Raises
    ------
    UserError
        If the network cannot be built, before anything of an earlier training is touched.
    """
    names = labels.keypoint_names
    settings = replace(settings, data=replace(settings.data, keypoint_names=names, num_keypoints=len(names)))
    training = settings.training
    labels = with_visibility(labels, training.uniform_heatmaps_for_nan_keypoints)
    set_threads()
    pl.seed_everything(training.rng_seed_model_pt, workers=True, verbose=False)
    network = build_network(settings, len(names))
    augmentation = parse_augmentation(training.imgaug)
    _warn_of_lone_sides(names, augmentation)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / WEIGHTS_FILE).unlink(missing_ok=True)
    shutil.rmtree(output_dir / "tb_logs", ignore_errors=True)  # curves of another training
    with write_atomic(output_dir / CONFIG_FILE) as temporary:
        temporary.write_text(to_yaml(settings))
    splits = _write_splits(settings, labels, output_dir)
    train_loader, val_loader = _loaders(settings, labels, splits, augmentation)
    steps_per_epoch = len(train_loader)
    total_steps = training.max_steps or training.max_epochs * steps_per_epoch
    module = PoseModule(network, settings.model, training, total_steps, steps_per_epoch)
    best = BestWeights()
    logger.info(
        "training on %d images, validating on %d, %d steps",
        splits.count(Split.TRAIN),
        splits.count(Split.VALIDATION),
        total_steps,
    )
    trainer = _trainer(settings, output_dir, total_steps, steps_per_epoch, best)
    trainer.fit(module, train_loader, val_loader)
    if best.last_step < trainer.global_step:  # the last steps count too
        trainer.validate(module, val_loader, verbose=False)
    if best.state is None:
        logger.warning("no validation error was measured: keeping the last weights")
    state = best.state or {key: value.detach().cpu() for key, value in network.state_dict().items()}
    with write_atomic(output_dir / WEIGHTS_FILE) as temporary:
        save_file({key: value.contiguous() for key, value in state.items()}, str(temporary))
    logger.info("best weights: step %d, validation error %.2f px", best.step, best.error)


def _warn_of_lone_sides(names: list[str], augmentation: Augmentation) -> None:
    alone = without_partner(names) if augmentation.flip_horizontal or augmentation.flip_vertical else []
    if alone:
        logger.warning(
            "training.imgaug: a flip takes %s for the keypoint of the other side, which there is none of",
            ", ".join(alone),
        )


def _write_splits(settings: Settings, labels: Labels, output_dir: Path) -> list[Split]:
    """Split the rows; training frames that ``train_frames`` leaves out count as test."""
    training = settings.training
    seed = training.rng_seed_data_pt
    splits = split_rows(len(labels.image_paths), training.train_prob, training.val_prob, seed)
    kept = set(limit_training_rows(splits, training.train_frames, seed))
    splits = [
        Split.TEST if split is Split.TRAIN and row not in kept else split for row, split in enumerate(splits)
    ]
    with write_atomic(output_dir / SPLITS_FILE) as temporary:
        named = {path: split.value for path, split in zip(labels.image_paths, splits, strict=True)}
        temporary.write_text(json.dumps(named, indent=1))
    return splits


def _loaders(
    settings: Settings, labels: Labels, splits: list[Split], augmentation: Augmentation
) -> tuple[DataLoader, DataLoader]:
    training, dims = settings.training, settings.data.image_resize_dims
    seed = 100_003 * training.rng_seed_data_pt + training.rng_seed_model_pt

    def dataset(split: Split, augmentation: Augmentation | None) -> LabeledDataset:
        chosen = select_rows(labels, [row for row, other in enumerate(splits) if other is split])
        data_dir = Path(settings.data.data_dir)
        context = takes_context(settings.model.model_type)
        return LabeledDataset(chosen, data_dir, dims.height, dims.width, augmentation, seed, context)

    train = dataset(Split.TRAIN, augmentation)
    validation = dataset(Split.VALIDATION, None)
    workers: dict[str, Any] = {
        "num_workers": training.num_workers,
        "persistent_workers": training.num_workers > 0,
    }
    sampler = EpochSampler(len(train), seed)
    size = training.train_batch_size
    alone = len(train) > size and len(train) % size == 1  # batch norm learns nothing from one image
    return (
        DataLoader(train, batch_size=size, sampler=sampler, drop_last=alone, **workers),
        DataLoader(validation, batch_size=training.val_batch_size, **workers),
    )


def _trainer(
    settings: Settings, output_dir: Path, total_steps: int, steps_per_epoch: int, best: BestWeights
) -> pl.Trainer:
    training = settings.training
    device = pick_device()
    precision = resolve_precision(training.precision, device)
    logger.info("device %s, precision %s, %d threads", device, precision.value, torch.get_num_threads())
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*in eval mode at the start of training")  # batch norm
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    callbacks: list[Callback] = [best]
    if training.early_stopping:
        callbacks.append(EarlyStopping("val_pixel_error", patience=training.early_stop_patience, mode="min"))
    epochs = math.ceil(total_steps / steps_per_epoch)
    interval = training.val_check_interval
    return pl.Trainer(
        max_steps=total_steps,
        max_epochs=epochs,
        min_epochs=min(training.min_epochs, epochs) if training.min_steps is None else None,
        min_steps=training.min_steps,
        check_val_every_n_epoch=min(training.check_val_every_n_epoch, epochs) if interval is None else None,
        val_check_interval=None if interval is None else min(interval, total_steps),
        log_every_n_steps=min(training.log_every_n_steps, steps_per_epoch),
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        precision="bf16-mixed" if precision is Precision.bf16 else "32-true",
        callbacks=callbacks,
        logger=TensorBoardLogger(str(output_dir), name="tb_logs", version=""),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
    )
