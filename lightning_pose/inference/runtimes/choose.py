"""Which runtime computes a network: the one that was asked for, or one that is as exact."""

from __future__ import annotations

import torch

from lightning_pose.inference.runtimes import openvino_runtime, torch_runtime
from lightning_pose.inference.runtimes.base import Runtime, TrainedNetwork
from lightning_pose.inference.runtimes.identity import package_version
from lightning_pose.inference.runtimes.openvino_runtime import OpenVinoRuntime
from lightning_pose.inference.runtimes.torch_runtime import TorchRuntime
from lightning_pose.models.hardware import has_bf16
from lightning_pose.settings import RuntimeName
from lightning_pose.types import Problem, UserError


def runtime_of(name: RuntimeName) -> Runtime:
    """Return the runtime of a name."""
    return TorchRuntime(name) if name in torch_runtime.FORMATS else OpenVinoRuntime(name)


def version_of(name: RuntimeName) -> str:
    """Return the version of the library that a runtime is of."""
    return package_version("torch" if name in torch_runtime.FORMATS else "openvino")


def all_runtimes() -> list[Runtime]:
    """Return every runtime, torch in float32 first."""
    return [runtime_of(name) for name in (*torch_runtime.FORMATS, *openvino_runtime.FORMATS)]


def check_runtime(name: RuntimeName, device: torch.device) -> RuntimeName:
    """Return `name`, the runtime that was asked for.

    Raises
    ------
    UserError
        If it cannot compute on this machine.
    """
    lacks = runtime_of(name).missing(device)
    if lacks is not None:
        there = ", ".join(own.name.value for own in all_runtimes() if own.missing(device) is None)
        raise UserError(
            Problem("inference.runtime", f"one that works here ({there})", f"{name.value}: {lacks}")
        )
    return name


def runtime_for_images(setting: RuntimeName, device: torch.device) -> RuntimeName:
    """Return what computes labelled images: float32 by torch, unless another runtime is asked for.

    Raises
    ------
    UserError
        If what is asked for cannot compute on this machine.
    """
    return RuntimeName.torch if setting is RuntimeName.auto else check_runtime(setting, device)


def runtime_for_video(setting: RuntimeName, trained: TrainedNetwork) -> RuntimeName:
    """Return what computes frames of a video.

    Raises
    ------
    UserError
        If what is asked for cannot compute on this machine.
    """
    if setting is not RuntimeName.auto:
        return check_runtime(setting, trained.device)
    return RuntimeName.torch_mixed if has_bf16(trained.device) else RuntimeName.torch
