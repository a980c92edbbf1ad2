"""What a training depends on: a state of one belongs to no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lightning_pose.data.clips import find_video_boxes
from lightning_pose.data.context import find_context
from lightning_pose.fingerprint import training_fingerprint
from lightning_pose.io.video import find_videos
from lightning_pose.models.build import trained_weights
from lightning_pose.settings import Settings, takes_context
from lightning_pose.types import Labels

WITHOUT_INFLUENCE = (
    "data.data_dir", "data.csv_file", "data.video_dir", "data.bbox_dir",  # whose content counts
    "data.skeleton",
    "training.num_workers", "training.test_batch_size", "training.log_every_n_steps",
    "training.ckpt_every_n_epochs", "training.checkpoint_every_s", "training.compile",
)  # fmt: skip
OF_VIDEO_LOSSES = ("data.mirrored_column_matches", "data.columns_for_singleview_pca")  # and of metrics


def origin_of(settings: Settings, labels: Labels, image_dir: Path) -> dict[str, str]:
    """Return everything that a training's weights depend on, as text by name.

    Images count by size and time of change: reading them all would take longer than starting afresh does.
    """
    sees_video = bool(settings.model.losses_to_use)
    names = ("data", "training", "model", *(("losses", "callbacks", "dali") if sees_video else ()))
    sections = {name: asdict(getattr(settings, name)) for name in names}
    left_out = (*WITHOUT_INFLUENCE, *(() if sees_video else OF_VIDEO_LOSSES))
    found = {key: repr(value) for key, value in _leaves(sections) if key not in left_out}
    found["labels"] = _digest(
        repr(labels.image_paths), repr(labels.keypoint_names), labels.keypoints_px.tobytes()
    )
    found["labels' visibility"] = "" if labels.visible is None else _digest(labels.visible.tobytes())
    found["images"] = _digest(*(_stamp(image_dir / path) for path in _images(settings, labels, image_dir)))
    if sees_video:
        found["unlabelled videos"] = _digest(*(_stamp(path) for path in _videos(settings)))
    starts = (settings.model.backbone_checkpoint, settings.model.checkpoint)
    found["first weights"] = _digest(*(_stamp(trained_weights(Path(path))) for path in starts if path))
    found["code"] = training_fingerprint(sees_video)
    found["version of torch"] = str(torch.__version__)
    return found


def _videos(settings: Settings) -> list[Path]:
    """Return the unlabelled videos, and their boxes where there are any."""
    data = settings.data
    videos = find_videos(data.video_dir, Path(data.data_dir))
    boxes = [find_video_boxes(Path(data.bbox_dir), path) for path in videos] if data.bbox_dir else []
    return [*videos, *boxes]


def _images(settings: Settings, labels: Labels, image_dir: Path) -> list[str]:
    """Return the labelled images, and what stands for the neighbours of each where the network sees them."""
    if not takes_context(settings.model.model_type):
        return labels.image_paths
    return [
        name
        for path in labels.image_paths
        for name in dict.fromkeys([path, *(own.path for own in find_context(path, image_dir) or [])])
    ]


def _leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "missing"
    return f"{found.st_size} {found.st_mtime_ns}"


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()
