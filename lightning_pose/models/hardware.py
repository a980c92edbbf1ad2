"""What this machine does well: threads, number formats, devices."""

from __future__ import annotations

import torch

from lightning_pose.machine import job_cores
from lightning_pose.settings import Precision


def set_threads() -> int:
    """Use as many threads as the job was given (``OMP_NUM_THREADS``), at most the cores it may run on."""
    threads = job_cores()
    torch.set_num_threads(threads)
    return threads


def pick_device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_precision(setting: Precision, device: torch.device) -> Precision:
    """Resolve ``auto``: bfloat16 where the hardware has units for it, else float32."""
    if setting is not Precision.auto:
        return setting
    if device.type == "cuda":
        return Precision.bf16 if torch.cuda.is_bf16_supported(including_emulation=False) else Precision.fp32
    return Precision.bf16 if _cpu_has_bf16() else Precision.fp32


def _cpu_has_bf16() -> bool:
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)
