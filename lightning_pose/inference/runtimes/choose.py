"""Which runtime computes a network: the one that was asked for, or the fastest that is as exact."""

from __future__ import annotations

import torch

from lightning_pose.inference.runtimes.base import TrainedNetwork
from lightning_pose.inference.runtimes.calibrate import remembered
from lightning_pose.inference.runtimes.registry import check_runtime
from lightning_pose.models.hardware import has_bf16
from lightning_pose.settings import RuntimeName


def runtime_for_images(setting: RuntimeName, device: torch.device) -> RuntimeName:
    """Return what computes labelled images: float32 by torch, unless another runtime is asked for.

    Raises
    ------
    UserError
        If what is asked for cannot compute on this machine.
    """
    return RuntimeName.torch if setting is RuntimeName.auto else check_runtime(setting, device)


def runtime_for_video(setting: RuntimeName, trained: TrainedNetwork) -> RuntimeName | None:
    """Return what computes frames of a video; None = nothing was tried yet, see `calibrate`.

    On a GPU nothing is tried: the backbone is computed in bfloat16 where there are units for it.

    Raises
    ------
    UserError
        If what is asked for cannot compute on this machine.
    """
    if setting is not RuntimeName.auto:
        return check_runtime(setting, trained.device)
    if trained.device.type == "cpu":
        return remembered(trained)
    return RuntimeName.torch_mixed if has_bf16(trained.device) else RuntimeName.torch
