"""The pose network: normalization, backbone, light upsampling head.

Input: RGB images (B, 3, H, W), uint8 or 0..255 floats. Output: heatmap logits (B, K, H / stride, W / stride).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from lightning_pose.models.backbones import build_backbone, early_stages, normalization, weights_source
from lightning_pose.models.hardware import train_depthwise_in_float32
from lightning_pose.settings import ModelSettings, Weights


class HeatmapHead(nn.Module):
    """Merge the feature maps from coarse to fine, then predict one heatmap a keypoint.

    A feature pyramid (Lin et al., CVPR 2017) with depthwise convolutions, so that it costs little beside
    the backbone.

    Parameters
    ----------
    channels : channels of the feature maps, finest first.
    keypoints : number of heatmaps.
    width : channels inside the head.
    """

    def __init__(self, channels: list[int], keypoints: int, width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(_separable(width) for _ in channels[:-1])
        self.predict = nn.Conv2d(width, keypoints, 1)
        nn.init.normal_(self.predict.weight, std=0.01)
        if self.predict.bias is not None:
            nn.init.zeros_(self.predict.bias)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return heatmap logits at the resolution of the finest feature map."""
        merged = self.lateral[-1](features[-1])
        for level in range(len(features) - 2, -1, -1):
            finer = self.lateral[level](features[level])
            merged = finer + F.interpolate(
                merged, size=finer.shape[-2:], mode="bilinear", align_corners=False
            )
            merged = self.smooth[level](merged)
        return self.predict(merged)


class PoseNetwork(nn.Module):
    """Heatmaps of keypoints from images.

    Parameters
    ----------
    settings : the ``model`` section.
    num_keypoints : heatmaps to predict.
    stride : input pixels a heatmap cell; a power of two.
    pretrained : False builds without first weights, for loading trained ones.
    """

    def __init__(
        self, settings: ModelSettings, num_keypoints: int, stride: int, pretrained: bool = True
    ) -> None:
        super().__init__()
        self.stride = stride
        self.backbone = build_backbone(settings.backbone, settings.weights if pretrained else Weights.random)
        mean, std = normalization(settings.backbone)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))
        info: Any = self.backbone.feature_info
        self.levels = [i for i, reduction in enumerate(info.reduction()) if reduction >= stride]
        channels = [info.channels()[level] for level in self.levels]
        self.head = HeatmapHead(channels, num_keypoints, settings.head_channels)
        random = weights_source(settings.backbone, settings.weights) is Weights.random
        freeze = settings.freeze_batch_norm
        self.freezes_batch_norm = not random if freeze is None else freeze
        train_depthwise_in_float32(self)
        for parameter in early_stages(self.backbone, settings.freeze_stages):
            parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> PoseNetwork:
        """Switch modes; frozen batch norm of the backbone stays as it is."""
        super().train(mode)
        if mode and self.freezes_batch_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return heatmap logits, (B, K, H / stride, W / stride)."""
        normalized = (images.float() - self.mean) / self.std
        normalized = normalized.contiguous(memory_format=torch.channels_last)
        features = self.backbone(normalized)
        return self.head([features[level] for level in self.levels])


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
