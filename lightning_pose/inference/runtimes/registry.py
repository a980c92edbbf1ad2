"""The runtimes by their names."""

from __future__ import annotations

import torch

from lightning_pose.inference.runtimes import openvino_runtime, torch_runtime
from lightning_pose.inference.runtimes.base import Runtime
from lightning_pose.inference.runtimes.identity import package_version
from lightning_pose.inference.runtimes.openvino_runtime import OpenVinoRuntime
from lightning_pose.inference.runtimes.torch_runtime import TorchRuntime
from lightning_pose.settings import RuntimeName
from lightning_pose.types import Problem, UserError


def runtime_of(name: RuntimeName) -> Runtime:
    """Return the runtime of a name."""
    return TorchRuntime(name) if name in torch_runtime.FORMATS else OpenVinoRuntime(name)


def version_of(name: RuntimeName) -> str:
    """Return the version of the library that a runtime is of."""
    return package_version("torch" if name in torch_runtime.FORMATS else "openvino")


def all_names() -> list[RuntimeName]:
    """Return the names of all runtimes, torch in float32 first."""
    return [*torch_runtime.FORMATS, *openvino_runtime.FORMATS]


def missing(name: RuntimeName, device: torch.device) -> str | None:
    """Say what a runtime lacks on this machine; None = nothing."""
    return runtime_of(name).missing(device)


def check_runtime(name: RuntimeName, device: torch.device) -> RuntimeName:
    """Return `name`, the runtime that was asked for.

    Raises
    ------
    UserError
        If it cannot compute on this machine.
    """
    lacks = missing(name, device)
    if lacks is not None:
        there = ", ".join(own.value for own in all_names() if missing(own, device) is None)
        raise UserError(
            Problem("inference.runtime", f"one that works here ({there})", f"{name.value}: {lacks}")
        )
    return name
