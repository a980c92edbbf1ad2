"""A network in parts that other runtimes can take over: backbone; head and decoding; all of it.

Between the parts lie the feature maps, so that each part can compute in its own number format.
"""

from __future__ import annotations

import torch
from torch import nn

from lightning_pose.models.network import Keypoints, PoseNetwork


class Backbone(nn.Module):
    """Images (B, 3, H, W) or (B, 5, 3, H, W), uint8, to feature maps."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the feature maps, finest first."""
        return tuple(self.network.maps(images))


class Answer(nn.Module):
    """Feature maps to keypoints_model_px (B, K, 2) and confidence (B, K).

    Parameters
    ----------
    network : whose head it is.
    image_hw : height and width of the images in pixels.
    """

    def __init__(self, network: PoseNetwork, image_hw: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.image_hw = network, image_hw

    def forward(self, *maps: torch.Tensor) -> Keypoints:
        """Return keypoints and confidence."""
        return self.network.decode(self.network.answer(list(maps), self.image_hw, is_labelled=True))


class Whole(nn.Module):
    """Images, (B, 3, H, W) or (B, 5, 3, H, W), to keypoints_model_px (B, K, 2) and confidence (B, K)."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Keypoints:
        """Return keypoints and confidence."""
        return self.network.decode(self.network(images))
