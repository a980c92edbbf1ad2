"""Values that have the right type and are impossible all the same."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning_pose.settings import (
    BoxSettings,
    DataSettings,
    DataSource,
    ModelType,
    Settings,
    UnsupervisedLoss,
)
from lightning_pose.types import RESERVED_NAMES, Problem

POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RATIO = re.compile(r"\d+(\.\d+)?")  # as a folder's name ends
HEX_COLOR = re.compile("#[0-9a-fA-F]{6}")
SIZE_STEP = 32  # the coarsest stride of the backbones
RAREST_LOOK = 32  # frames that are held in memory until the detector looks again
LARGEST_SEED = 2**32 - 1  # of numpy
LARGEST_LOG_WEIGHT = 50.0  # exp() of more is no weight at all
SMALLEST_SIGMA, LARGEST_SIGMA = 0.3, 20.0  # below, a target is one cell; above, it fills the heatmap


def impossible_values(settings: Settings, where: str) -> list[Problem]:
    """Return every setting whose value cannot work."""
    found = (
        *_data(settings),
        *_training(settings),
        *_model(settings),
        *_losses_to_use(settings),
        *_losses(settings),
        *_workflow(settings),
        *_external(settings.workflow.external),
        *_shards(settings.workflow.shard_frames, settings.workflow.videos),
        *_eval(settings.eval.confidence_thresh_for_vid),
        *((f"workflow.boxes.{key}", *rest) for key, *rest in box_problems(settings.workflow.boxes)),
    )
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
    reserved = [name for name in names or [] if name in RESERVED_NAMES]
    if reserved:
        expected = f"other names than {' and '.join(RESERVED_NAMES)}, which predictions need"
        yield "data.keypoint_names", expected, ", ".join(reserved)
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
    for key in ("rng_seed_data_pt", "rng_seed_model_pt", "unfreezing_epoch", "num_gpus", "min_epochs"):
        if getattr(training, key) < 0:
            yield f"training.{key}", "at least 0", str(getattr(training, key))
    if training.rng_seed_model_pt > LARGEST_SEED:
        yield "training.rng_seed_model_pt", f"at most {LARGEST_SEED}", str(training.rng_seed_model_pt)
    for key in ("num_workers", "unfreezing_step"):
        value = getattr(training, key)
        if value is not None and value < 0:
            yield f"training.{key}", "at least 0, or null", str(value)
    for key in ("weight_decay", "backbone_factor"):
        value = getattr(training.optimizer_params, key)
        if value is not None and not 0 <= value < math.inf:
            yield f"training.optimizer_params.{key}", "at least 0", str(value)
    if not 0 < training.train_prob <= 1:
        yield "training.train_prob", "above 0 and at most 1", str(training.train_prob)
    if not 0 <= training.val_prob < 1 or training.train_prob + training.val_prob > 1 + 1e-9:
        yield "training.val_prob", "0 to 1, and train_prob + val_prob at most 1", str(training.val_prob)
    frames, rate = training.train_frames, training.optimizer_params.learning_rate
    if not _is_size(frames):
        yield "training.train_frames", "a share, above 0 and up to 1, or a whole number", str(frames)
    if not 0 < rate < math.inf:
        yield "training.optimizer_params.learning_rate", "above 0", str(rate)
    gamma = training.lr_scheduler_params.multisteplr.gamma
    if not 0 <= gamma < math.inf:
        yield "training.lr_scheduler_params.multisteplr.gamma", "at least 0", str(gamma)
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


def _is_size(frames: float) -> bool:
    """Say whether a number can be that of training frames, or up to 1 a share of them."""
    return 0 < frames <= 1 or (1 < frames < math.inf and float(frames).is_integer())


def _model(settings: Settings) -> Iterator[tuple[str, str, str]]:
    model = settings.model
    if model.freeze_stages < 0:
        yield "model.freeze_stages", "at least 0", str(model.freeze_stages)
    if model.head_channels < 1:
        yield "model.head_channels", "at least 1", str(model.head_channels)
    if not SMALLEST_SIGMA <= model.heatmap_sigma <= LARGEST_SIGMA:
        expected = f"{SMALLEST_SIGMA} to {LARGEST_SIGMA} heatmap cells"
        yield "model.heatmap_sigma", expected, str(model.heatmap_sigma)


def _losses_to_use(settings: Settings) -> Iterator[tuple[str, str, str]]:
    known = [loss.value for loss in UnsupervisedLoss]
    names = settings.model.losses_to_use or []
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1, 0)[0]
            expected = f"names among {', '.join(known)} (nearest: {nearest})"
            yield "model.losses_to_use", expected, name
    if len(set(names)) != len(names):
        yield "model.losses_to_use", "each loss once", ", ".join(names)
    of_heatmaps = [name for name in names if name.startswith(("temporal_heatmap", "unimodal"))]
    if of_heatmaps and settings.model.model_type is ModelType.regression:
        yield "model.losses_to_use", "no loss of heatmaps for model_type regression", ", ".join(of_heatmaps)
    data = settings.data
    if names and not data.video_dir:
        yield "data.video_dir", "unlabelled videos, for model.losses_to_use", "none"
    if data.video_dir is not None and not _is_texts(data.video_dir):
        yield "data.video_dir", "a folder, or a list of video files", repr(data.video_dir)
    if "pca_multiview" in names and not data.mirrored_column_matches:
        yield "data.mirrored_column_matches", "a list of keypoint numbers a view, for pca_multiview", "none"
    count = len(data.keypoint_names) if data.keypoint_names is not None else data.num_keypoints
    yield from column_problems(data, count)


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))


def column_problems(data: DataSettings, keypoints: int | None) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the keypoint numbers of the PCA losses; `keypoints`: how many there are."""
    views = data.mirrored_column_matches or []
    lists = {"data.columns_for_singleview_pca": [data.columns_for_singleview_pca]}
    if not all(isinstance(view, list) for view in views) or len({len(view) for view in views}) > 1:
        yield "data.mirrored_column_matches", "lists of equal length, one a view", str(views)
    elif len(views) == 1:
        yield "data.mirrored_column_matches", "two views or more", str(views)
    else:
        lists["data.mirrored_column_matches"] = [[column for view in views for column in view] or None]
    for key, (columns,) in lists.items():
        if columns is None:
            continue
        wrong = [column for column in columns if not _is_column(column, keypoints)]
        if wrong:
            last = "" if keypoints is None else f" to {keypoints - 1}"
            yield key, f"keypoint numbers from 0{last}", ", ".join(map(str, wrong))
        elif len(set(columns)) != len(columns):
            yield key, "each keypoint once", str(columns)
        elif len(columns) < 2:
            yield key, "two keypoints or more", str(columns)


def _is_column(column: Any, keypoints: int | None) -> bool:
    return isinstance(column, int) and column >= 0 and (keypoints is None or column < keypoints)


def _losses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.dali.base.train.sequence_length < 2:
        found = str(settings.dali.base.train.sequence_length)
        yield "dali.base.train.sequence_length", "two frames or more", found
    anneal = settings.callbacks.anneal_weight
    for key in ("init_val", "increase_factor", "final_val", "freeze_until_epoch"):
        if not 0 <= getattr(anneal, key) < math.inf:
            yield f"callbacks.anneal_weight.{key}", "at least 0", str(getattr(anneal, key))
    for loss in dataclasses.fields(settings.losses):
        own = getattr(settings.losses, loss.name)
        for field in dataclasses.fields(own):
            expected = _expected_number(field.name, getattr(own, field.name))
            if expected:
                yield f"losses.{loss.name}.{field.name}", expected, str(getattr(own, field.name))


def _expected_number(field: str, value: Any) -> str | None:
    """Return what a number of a loss should be; None if it is."""
    if field == "epsilon":
        values = value if isinstance(value, list) else [] if value is None else [value]
        is_right = all(isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in values)
        return None if is_right else "a number of at least 0, or one a keypoint"
    if field == "components_to_keep":
        is_right = 0 < value < 1 or (value >= 1 and float(value).is_integer())
        return None if is_right else "a share between 0 and 1, or a whole number"
    if field in ("prob_threshold", "empirical_epsilon_percentile"):
        return None if 0 <= value <= 1 else "0 to 1"
    if field == "empirical_epsilon_multiplier":
        return None if value >= 0 else "at least 0"
    return None if abs(value) <= LARGEST_LOG_WEIGHT else f"{-LARGEST_LOG_WEIGHT:g} to {LARGEST_LOG_WEIGHT:g}"


def _workflow(settings: Settings) -> Iterator[tuple[str, str, str]]:
    workflow = settings.workflow
    seeds = workflow.seeds
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        yield "workflow.seeds", f"different seeds from 0 to {LARGEST_SEED}", str(seeds)
    sizes = workflow.train_frames
    if not all(_is_size(size) for size in sizes) or len(set(sizes)) != len(sizes) or 1.0 in sizes:
        expected = (
            "different numbers of frames, whole or shares below 1 (all frames are always trained on too)"
        )
        yield "workflow.train_frames", expected, str(sizes)
    ratios = workflow.crop_ratios
    if not ratios or not all(RATIO.fullmatch(str(ratio)) and ratio > 0 for ratio in ratios):
        expected = "at least one number, all above 0, from 0.0001"
        yield "workflow.crop_ratios", expected, str(ratios)
    elif len(set(ratios)) != len(ratios):
        yield "workflow.crop_ratios", "each ratio once", str(ratios)
    for key in ("ind_csv", "ood_csv"):
        name = getattr(workflow, key)
        if name and ("/" in name or not name.endswith(".csv")):
            yield f"workflow.{key}", "the name of a .csv in data.data_dir", name
    if workflow.ood_csv and workflow.ood_csv == workflow.ind_csv:
        yield "workflow.ood_csv", "another file than workflow.ind_csv", workflow.ood_csv
    files = [Path(video).name for video in workflow.videos]
    if len(set(files)) != len(files):
        yield "workflow.videos", "files of different names", str(workflow.videos)
    if workflow.data.source is DataSource.dlc and not workflow.data.project_dir:
        yield "workflow.data.project_dir", "the folder of a DeepLabCut project", "none"
    for name, kinds in workflow.ensemble.pooled.items():
        if not POOL_NAME.fullmatch(name):
            yield f"workflow.ensemble.pooled.{name}", "a name of letters, digits, '-', '_' and '.'", name
        if len(set(kinds)) < 2 or len(set(kinds)) != len(kinds):
            yield f"workflow.ensemble.pooled.{name}", "two kinds or more, each once", str(kinds)
    if workflow.ensemble.smooth_param is not None and not (
        math.isfinite(workflow.ensemble.smooth_param) and workflow.ensemble.smooth_param > 0
    ):
        yield "workflow.ensemble.smooth_param", "above 0, or null", str(workflow.ensemble.smooth_param)
    if workflow.ensemble.fit_frames is not None and workflow.ensemble.fit_frames < 2:
        yield "workflow.ensemble.fit_frames", "at least 2, or null", str(workflow.ensemble.fit_frames)
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


def _external(kinds: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, own in kinds.items():
        key = f"workflow.external.{name}"
        if name == "all" or name.startswith(("single", "pose")):
            yield key, "a name other than all, single..., pose..., which are kinds of ours", name
        elif name.startswith(("_", "-")) or "/" in name:
            yield key, "a name without / that begins with neither _ nor -, for plots and folders", name
        if not isinstance(own, dict) or set(own) != {"ind", "ood"}:
            yield key, "ind and ood, predictions CSVs", repr(own)
        elif not all(isinstance(files, list) and files and _is_texts(files) for files in own.values()):
            yield key, "a list of files for ind and for ood", repr(own)
        elif len(own["ind"]) != len(own["ood"]):
            yield key, f"one file a member: {len(own['ind'])} for ood too", str(len(own["ood"]))


def is_remote(video: str) -> bool:
    """Say whether a video lies in a store that the workflow fetches it from, such as ``s3://...``."""
    return "://" in video


def _shards(frames: int | None, videos: list[str]) -> Iterator[tuple[str, str, str]]:
    if frames is not None and frames < 1:
        yield "workflow.shard_frames", "at least 1, or null", str(frames)
    remote = [video for video in videos if is_remote(video)]
    if frames is not None and remote:
        yield "workflow.videos", "videos whose frames can be counted, for workflow.shard_frames", remote[0]


def _eval(threshold: float) -> Iterator[tuple[str, str, str]]:
    if not 0 <= threshold <= 1:
        yield "eval.confidence_thresh_for_vid", "a number from 0 to 1", str(threshold)


def box_problems(boxes: BoxSettings) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the placing of boxes."""
    if not 0 <= boxes.min_confidence <= 1:
        yield "min_confidence", "a number from 0 to 1", str(boxes.min_confidence)
    for key in ("min_size", "fixed_size"):
        value = getattr(boxes, key)
        if value is not None and value < 1:
            yield key, "at least 1" + (", or null" if key == "fixed_size" else ""), str(value)
    if boxes.window < 1 or boxes.window % 2 == 0:
        yield "window", "an odd number of frames", str(boxes.window)
    if not 0 <= boxes.detect_every <= RAREST_LOOK:
        yield "detect_every", f"a number of frames up to {RAREST_LOOK}, or 0 (auto)", str(boxes.detect_every)
    for key in ("max_speed", "min_cutoff"):
        value = getattr(boxes, key)
        if value is not None and not (math.isfinite(value) and value > 0):
            yield key, "a number above 0, or null", str(value)
    if not (math.isfinite(boxes.beta) and boxes.beta >= 0):
        yield "beta", "at least 0", str(boxes.beta)
