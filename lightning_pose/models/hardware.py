"""What this machine does well: threads, number formats, devices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from lightning_pose.machine import job_cores
from lightning_pose.settings import Precision
from lightning_pose.traces import note_fact
from lightning_pose.types import Problem, UserError, first_line

logger = logging.getLogger(__name__)

MOST_THREADS = 8  # that load images


def set_threads() -> int:
    """Use as many threads as the job was given (``OMP_NUM_THREADS``), at most the cores it may run on."""
    threads = job_cores()
    torch.set_num_threads(threads)
    note_fact("threads", threads)
    return threads


def pick_device() -> torch.device:
    """Return the GPU if there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    note_fact("device", torch.cuda.get_device_name() if device.type == "cuda" else "cpu")
    return device


def loading_threads(device: torch.device) -> int:
    """Return how many threads may load images ahead of a training: spare cores beside a GPU, else none."""
    return min(max(job_cores() - 1, 1), MOST_THREADS) if device.type == "cuda" else 0


def resolve_precision(setting: Precision, device: torch.device) -> Precision:
    """Resolve ``auto``: bfloat16 where the hardware has units for it, else float32.

    Raises
    ------
    UserError
        If float16 is asked for without a GPU.
    """
    if setting is Precision.fp16 and device.type != "cuda":
        expected = "auto, fp32 or bf16 without a GPU"
        raise UserError(Problem("training.precision", expected, setting.value))
    if setting is Precision.auto:
        setting = Precision.bf16 if has_bf16(device) else Precision.fp32
    note_fact("precision", setting.value)
    return setting


def has_bf16(device: torch.device) -> bool:
    """Say whether a device has units for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_has_bf16()


def cpu_has_bf16() -> bool:
    """Say whether the CPU has units for bfloat16."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


def compile_network(network: nn.Module, image_hw: tuple[int, int], device: torch.device) -> None:
    """Compile a network in place for training; where that fails, leave it as it is and say so."""
    training = network.training
    first = {key: value.clone() for key, value in network.state_dict().items()}
    try:
        network.to(device).compile()
        output = network.train()(torch.zeros(2, 3, *image_hw, device=device))
        (output[0] if isinstance(output, tuple) else output).float().sum().backward()
    except Exception as error:  # whatever a compiler may fail with
        reason = first_line(error)
        logger.warning("torch.compile failed (%s): training without it", reason)
        network._compiled_call_impl = None
    network.zero_grad(set_to_none=True)
    network.load_state_dict(first)  # the trial moved the statistics of batch norm
    network.train(training)


def train_depthwise_in_float32(model: nn.Module) -> None:
    """Run the depthwise convolutions of a model in float32 while they are trained on a CPU under autocast.

    The CPU's bfloat16 kernels for their gradients take 4 to 14 times as long as those for float32
    (oneDNN on AVX-512 BF16; `benchmarks/training_step.py`), which is most of the time of a step.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            forward = partial(_in_float32_with_gradient, module, module.forward)
            module.forward = forward  # type: ignore[method-assign]


def _in_float32_with_gradient(
    module: nn.Conv2d, forward: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    learns = torch.is_grad_enabled() and (images.requires_grad or module.weight.requires_grad)
    if not learns or images.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return forward(images)
    with torch.autocast("cpu", enabled=False):
        return forward(images.float())
