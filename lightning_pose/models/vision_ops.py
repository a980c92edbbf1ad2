"""Let torchvision be imported beside a torch it was not built with.

The CPU build of torch lacks two operators that torchvision's import expects to find declared. Their
schemas are enough: nothing here runs them.
"""

from __future__ import annotations

import torch

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def declare_missing_vision_ops() -> None:
    """Declare ``torchvision::nms`` and ``qnms`` where torch has no CUDA and they are missing."""
    if torch.version.cuda is not None:
        return
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", SCHEMA)
