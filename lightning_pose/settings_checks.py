"""Values that have the right type and are impossible all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lightning_pose.settings import DataSource, Settings
from lightning_pose.types import Problem

HEX_COLOR = re.compile("#[0-9a-fA-F]{6}")
SIZE_STEP = 32  # the coarsest stride of the backbones
SMALLEST_SIGMA, LARGEST_SIGMA = 0.3, 20.0  # below, a target is one cell; above, it fills the heatmap


def impossible_values(settings: Settings, where: str) -> list[Problem]:
    """Return every setting whose value cannot work."""
    found = (*_data(settings), *_training(settings), *_model(settings), *_workflow(settings))
    return [Problem(f"{where}: {key}", expected, value) for key, expected, value in found]


def _data(settings: Settings) -> Iterator[tuple[str, str, str]]:
    data = settings.data
    for side in ("height", "width"):
        size = getattr(data.image_resize_dims, side)
        if size <= 0 or size % SIZE_STEP:
            yield f"data.image_resize_dims.{side}", f"a positive multiple of {SIZE_STEP}", str(size)
    names = data.keypoint_names
    if names is not None and len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        yield "data.keypoint_names", "each name once", f"{', '.join(twice)} twice"
    if names is not None and data.num_keypoints is not None and len(names) != data.num_keypoints:
        yield "data.num_keypoints", f"{len(names)}, as many as keypoint_names", str(data.num_keypoints)
    if data.downsample_factor not in (1, 2, 3):
        yield "data.downsample_factor", "1, 2 or 3", str(data.downsample_factor)
    for pair in data.skeleton:
        is_pair = isinstance(pair, list) and len(pair) == 2
        if not is_pair or any(names is not None and name not in names for name in pair):
            yield "data.skeleton", "pairs of keypoint names", str(pair)


def _training(settings: Settings) -> Iterator[tuple[str, str, str]]:
    training = settings.training
    for key in ("train_batch_size", "val_batch_size", "test_batch_size", "max_epochs",
                "check_val_every_n_epoch", "log_every_n_steps", "early_stop_patience",
                "accumulate_grad_batches"):  # fmt: skip
        if getattr(training, key) < 1:
            yield f"training.{key}", "at least 1", str(getattr(training, key))
    for key in ("max_steps", "min_steps", "val_check_interval", "ckpt_every_n_epochs"):
        value = getattr(training, key)
        if value is not None and value < 1:
            yield f"training.{key}", "at least 1, or null", str(value)
    for key in ("rng_seed_data_pt", "rng_seed_model_pt", "num_workers", "unfreezing_epoch", "num_gpus"):
        if getattr(training, key) < 0:
            yield f"training.{key}", "at least 0", str(getattr(training, key))
    for key in ("weight_decay", "backbone_factor"):
        if getattr(training.optimizer_params, key) < 0:
            yield (
                f"training.optimizer_params.{key}",
                "at least 0",
                str(getattr(training.optimizer_params, key)),
            )
    if not 0 < training.train_prob <= 1:
        yield "training.train_prob", "above 0 and at most 1", str(training.train_prob)
    if not 0 <= training.val_prob < 1 or training.train_prob + training.val_prob > 1 + 1e-9:
        yield "training.val_prob", "0 to 1, and train_prob + val_prob at most 1", str(training.val_prob)
    if training.train_frames <= 0:
        yield "training.train_frames", "above 0", str(training.train_frames)
    if training.optimizer_params.learning_rate <= 0:
        yield (
            "training.optimizer_params.learning_rate",
            "above 0",
            str(training.optimizer_params.learning_rate),
        )
    if training.gradient_clip_val is not None and not training.gradient_clip_val > 0:
        yield "training.gradient_clip_val", "above 0, or null", str(training.gradient_clip_val)
    if training.ema_decay is not None and not 0 < training.ema_decay < 1:
        yield "training.ema_decay", "between 0 and 1, or null", str(training.ema_decay)
    if not training.checkpoint_every_s >= 0:
        yield "training.checkpoint_every_s", "at least 0", str(training.checkpoint_every_s)
    for name in ("cosine", "multisteplr"):
        warmup = getattr(training.lr_scheduler_params, name).warmup
        if not 0 <= warmup < 1:
            yield f"training.lr_scheduler_params.{name}.warmup", "0 to below 1", str(warmup)


def _model(settings: Settings) -> Iterator[tuple[str, str, str]]:
    model = settings.model
    if model.freeze_stages < 0:
        yield "model.freeze_stages", "at least 0", str(model.freeze_stages)
    if model.head_channels < 1:
        yield "model.head_channels", "at least 1", str(model.head_channels)
    if not SMALLEST_SIGMA <= model.heatmap_sigma <= LARGEST_SIGMA:
        expected = f"{SMALLEST_SIGMA} to {LARGEST_SIGMA} heatmap cells"
        yield "model.heatmap_sigma", expected, str(model.heatmap_sigma)


def _workflow(settings: Settings) -> Iterator[tuple[str, str, str]]:
    workflow = settings.workflow
    if not workflow.seeds or len(set(workflow.seeds)) != len(workflow.seeds) or min(workflow.seeds) < 0:
        yield "workflow.seeds", "different seeds from 0", str(workflow.seeds)
    if not workflow.crop_ratios or any(ratio <= 0 for ratio in workflow.crop_ratios):
        yield "workflow.crop_ratios", "at least one number, all above 0", str(workflow.crop_ratios)
    if workflow.data.source is DataSource.dlc and not workflow.data.project_dir:
        yield "workflow.data.project_dir", "the folder of a DeepLabCut project", "none"
    for kind, color in workflow.plots.colors.items():
        if not HEX_COLOR.fullmatch(color):
            yield f"workflow.plots.colors.{kind}", "a colour as '#rrggbb'", color
    for side in ("height", "width"):
        if getattr(workflow.crop_size, side) < 8:
            yield f"workflow.crop_size.{side}", "at least 8", str(getattr(workflow.crop_size, side))
    names = settings.data.keypoint_names
    for name in workflow.anchor_keypoints:
        if names is not None and name not in names:
            yield "workflow.anchor_keypoints", f"names of keypoint_names ({', '.join(names)})", name


def unsupported(settings: Settings, where: str) -> list[Problem]:
    """Return settings of upstream that load but cannot be trained with."""
    problems = []
    if settings.model.losses_to_use:
        problems.append(
            Problem(
                f"{where}: model.losses_to_use",
                "[] (unsupervised losses are not supported)",
                str(settings.model.losses_to_use),
            )
        )
    return problems
