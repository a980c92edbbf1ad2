"""Backbones: any timm network with `features_only`, with first weights from a package, a hub, a file or none.

Input: images, (B, 3, H, W), normalized. Output: one feature map a stage, (B, C_i, H / s_i, W / s_i). A plain
vision transformer has stages too, of one and the same stride: its patch size.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from torch import nn

from lightning_pose.backbone_names import PACKAGED, UPSTREAM_RESNETS, possible_names, unknown_backbone
from lightning_pose.models.backbone_weights import fitting_state, hub_problem, load_packaged
from lightning_pose.settings import Weights
from lightning_pose.types import Problem, UserError, first_line

logger = logging.getLogger(__name__)

STAGE = re.compile(r"(?:blocks|stages|layers?|s)[._]?(\d+)[._]")
PATCH = re.compile(r"_p(?:atch)?(\d+)")
SIZE_STEP = 32  # images are multiples of it in height and width
MISFIT = "size mismatch"  # in torch's message where tensors have other shapes than the network's


def build_backbone(
    name: str, weights: Weights, image_hw: tuple[int, int] = (256, 256), checkpoint: str | None = None
) -> nn.Module:
    """Build a backbone with its first weights.

    Parameters
    ----------
    name : of the network, timm's or upstream's.
    weights : where the first weights come from.
    image_hw : height and width of the images in pixels, which position embeddings are resized to.
    checkpoint : a file of weights, instead of `weights`.

    Raises
    ------
    UserError
        If timm has no such network, or its weights cannot be had.
    """
    timm_name = timm_name_of(name)
    source = weights_source(name, weights)
    if checkpoint is not None:
        return _from_file(name, timm_name, image_hw, Path(checkpoint))
    if UPSTREAM_RESNETS.match(name) and source is not Weights.random:
        logger.warning("model.backbone: %s starts from %s's ImageNet weights here", name, timm_name)
    if source is Weights.packaged and not PACKAGED.fullmatch(timm_name):
        raise UserError(
            Problem("model.weights", "auto, pretrained or random for this backbone", f"packaged with {name}")
        )
    try:
        model = _create(timm_name, image_hw, features_only=True, pretrained=source is Weights.pretrained)
    except (OSError, RuntimeError, ValueError) as error:
        if source is Weights.pretrained:
            problem = _misfit(name, timm_name, image_hw) if MISFIT in str(error) else None
            raise UserError(problem or hub_problem(name, timm_name, error)) from None
        raise UserError(_no_maps(name, error)) from None
    if source is Weights.packaged:
        load_packaged(model, timm_name)
    return model


def patched_size(name: str, image_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the size that images are resized to for a network: the nearest multiple of its patches.

    Patches of 14 pixels do not fill an image whose sides are multiples of 32; patches of 4, 8 and 16 do.
    """
    match = PATCH.search(name)
    patch = int(match.group(1)) if match else 1
    if SIZE_STEP % patch == 0:
        return image_hw
    height, width = (max(round(side / patch), 1) * patch for side in image_hw)
    return height, width


def _from_file(name: str, timm_name: str, image_hw: tuple[int, int], file: Path) -> nn.Module:
    whole = _create(timm_name, image_hw, pretrained=False)
    overlay = {"state_dict": fitting_state(file, whole, timm_name), "custom_load": False, "source": ""}
    try:
        return _create(
            timm_name, image_hw, features_only=True, pretrained=True, pretrained_cfg_overlay=overlay
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(_no_maps(name, error)) from None


def _create(timm_name: str, image_hw: tuple[int, int], **options: Any) -> nn.Module:
    """Build timm's network for images of a size, where it wants to know the size."""
    import timm

    try:
        return timm.create_model(timm_name, img_size=patched_size(timm_name, image_hw), **options)
    except (TypeError, AssertionError):  # a network of images of any size, or of square ones
        return timm.create_model(timm_name, **options)


def _no_maps(name: str, error: Exception) -> Problem:
    return Problem("model.backbone", "a network with feature maps", f"{name} ({first_line(error)})")


def _misfit(name: str, timm_name: str, image_hw: tuple[int, int]) -> Problem | None:
    """Say which size of images a hub's weights are for; None if that is the images' size."""
    import timm

    config = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    wanted_hw = None if config is None else tuple(config.input_size[1:])
    if wanted_hw is None or wanted_hw == image_hw:
        return None
    height, width = wanted_hw
    expected = f"images of {height}x{width} (data.image_resize_dims), which its weights are for"
    return Problem(f"model.backbone {name}", expected, "{}x{}".format(*image_hw))


def timm_name_of(name: str) -> str:
    """Return timm's name of a backbone, refusing unknown ones with the nearest known."""
    import timm

    for candidate in possible_names(name):
        if timm.is_model(candidate):
            return candidate
    raise UserError(unknown_backbone(name, timm.list_models()))


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
    numbers = [_stage(name) for name in names]
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


def _stage(name: str) -> int | None:
    match = STAGE.match(name.removeprefix("model."))  # timm's wrapper of transformers
    return int(match.group(1)) if match else None
