"""Find settings that load but cannot be trained with, before hours are spent on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning_pose.backbone_names import backbone_problem
from lightning_pose.config import KINDS, load_config
from lightning_pose.data.augmentation import augmentation_of
from lightning_pose.data.clips import find_clips
from lightning_pose.geometry.boxes import MIN_KEYPOINTS
from lightning_pose.io.labels import read_labels
from lightning_pose.io.video import find_videos
from lightning_pose.io.video_damage import check_videos
from lightning_pose.settings import Settings
from lightning_pose.settings_checks import impossible_values, is_remote
from lightning_pose.sweep import models_of
from lightning_pose.types import Problem, UserError

KIND_OF = {"single": "detector", "pose": "pose"}  # of the models that a variant is of


def check_videos_of_config(settings: Settings) -> list[Problem]:
    """Return what is wrong with the videos that a config names; a training looks at its own by itself."""
    data, problems = settings.data, []
    unlabelled = data.video_dir if not settings.model.losses_to_use else None
    here = [name for name in settings.workflow.videos if not is_remote(name)]
    for key, named in (("workflow.videos", here), ("data.video_dir", unlabelled)):
        try:
            check_videos(find_videos(named, Path(data.data_dir), key) if named else [])
        except UserError as error:
            problems += error.problems
    return problems


def check_keypoints_of_config(settings: Settings, labels_csv: Path, where: str) -> list[Problem]:
    """Return what of loaded settings does not go with the keypoints of the labels.

    Parameters
    ----------
    labels_csv : whose keypoints a config need not repeat; what is wrong with the file itself is not said.
    where : the config file, for messages.
    """
    try:
        keypoint_names = read_labels(labels_csv).keypoint_names
    except UserError:
        return []
    workflow = settings.workflow
    if settings.data.keypoint_names is None:
        named = replace(settings, data=replace(settings.data, keypoint_names=keypoint_names))
        if problems := impossible_values(named, where):
            return problems
    anchors = set(workflow.anchor_keypoints or keypoint_names)
    if workflow.ind_csv and len(anchors) < MIN_KEYPOINTS and workflow.boxes.fixed_size is None:
        expected = f"at least {MIN_KEYPOINTS}, since one has no span, or workflow.boxes.fixed_size"
        return [Problem(f"{where}: workflow.anchor_keypoints", expected, ", ".join(anchors))]
    return []


def check_training_settings(settings: Settings, where: str) -> list[Problem]:
    """Return what of loaded settings cannot be trained with; `where` is the config file, for messages."""
    backbone = backbone_problem(settings.model.backbone)
    problems = [] if backbone is None else [replace(backbone, where=f"{where}: {backbone.where}")]
    try:
        augmentation_of(settings.training)
    except UserError as error:
        problems += [replace(problem, where=f"{where}: {problem.where}") for problem in error.problems]
    if settings.model.losses_to_use:
        try:
            find_clips(settings)
        except UserError as error:
            problems += error.problems
    return problems


def check_backbones_of_workflow(config: Path, overrides: Sequence[str], settings: Settings) -> list[Problem]:
    """Return the backbones that timm lacks of the kinds and variants of a config's models."""
    layers: list[tuple[str, str | None]] = [(kind, None) for kind in KINDS]
    for name, variant in settings.workflow.variants.items():
        layers += [(KIND_OF[model], name) for model in models_of(variant)]
    problems = []
    of_kind = dict.fromkeys(KINDS, settings.model.backbone)
    for kind, variant_name in layers:
        own = load_config(config, overrides, kind, warn=False, variant=variant_name).model.backbone
        problem = backbone_problem(own)
        if problem is not None and own != of_kind[kind]:  # else it is told of where it stands
            key = f"workflow.{kind}" if variant_name is None else f"workflow.variants.{variant_name}.settings"
            problems.append(replace(problem, where=f"{config}: {key}.{problem.where}"))
        if variant_name is None:
            of_kind[kind] = own
    return list(dict.fromkeys(problems))
