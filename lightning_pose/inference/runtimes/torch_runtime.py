"""Networks computed by torch, channels last, on a CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch

from lightning_pose.inference.runtimes.base import (
    BFLOAT16,
    FLOAT32,
    MIXED,
    Found,
    NumberFormat,
    Session,
    TrainedNetwork,
)
from lightning_pose.models.network import Keypoints, PoseNetwork
from lightning_pose.settings import RuntimeName

FORMATS = {
    RuntimeName.torch: FLOAT32,
    RuntimeName.torch_mixed: MIXED,
    RuntimeName.torch_bf16: BFLOAT16,
}


class TorchRuntime:
    """Torch in one of its number formats.

    Parameters
    ----------
    name : one of `FORMATS`.
    """

    def __init__(self, name: RuntimeName) -> None:
        self.name, self.format = name, FORMATS[name]

    def missing(self, device: torch.device) -> str | None:
        """Return None: hardware without units for bfloat16 computes it too, if slowly."""
        return None

    def build(self, trained: TrainedNetwork) -> Session:
        """Make a network ready."""
        network = trained.network

        @torch.inference_mode()
        def run(images: np.ndarray) -> Found:
            seen = torch.from_numpy(images).to(trained.device)
            keypoints_model_px, confidence = _computed(network, seen, trained.image_hw, self.format)
            return keypoints_model_px.cpu().numpy(), confidence.cpu().numpy()

        return run


def _computed(
    network: PoseNetwork, images: torch.Tensor, image_hw: tuple[int, int], form: NumberFormat
) -> Keypoints:
    kind = images.device.type
    if form == FLOAT32:
        return network.decode(network(images))
    with torch.autocast(kind, torch.bfloat16, enabled=form.backbone_half):
        maps = network.maps(images)
    with torch.autocast(kind, torch.bfloat16, enabled=form.head_half):
        maps = maps if form.head_half else [own.float() for own in maps]
        output = network.answer(maps, image_hw, is_labelled=images.dim() == 5)
    return network.decode(output)
