"""Heads: what turns a backbone's feature maps into heatmaps or coordinates.

Feature maps are lists of (B, C_i, H / s_i, W / s_i), finest first; heatmaps (B, K, H / stride, W / stride).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

FINEST = 4  # stride of the finest feature map that a head works on


class Pyramid(nn.Module):
    """Merge feature maps from coarse to fine.

    A feature pyramid (Lin et al., CVPR 2017) with depthwise convolutions, so that it costs little beside
    the backbone. Maps of one and the same stride, a plain transformer's, are scaled to one size, added up and
    then enlarged step by step.

    Parameters
    ----------
    channels, strides : of the feature maps, finest first.
    width : channels of the merged map.
    stride : pixels a cell of the merged map; a power of two.
    """

    def __init__(self, channels: list[int], strides: list[int], width: int, stride: int) -> None:
        super().__init__()
        is_plain = len(set(strides)) < len(strides)
        self.scale = nn.ModuleList(
            nn.GroupNorm(1, count) if is_plain else nn.Identity() for count in channels
        )
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(
            nn.Identity() if finer == coarser else separable(width) for finer, coarser in pairwise(strides)
        )
        steps = max(round(strides[0] / stride).bit_length() - 1, 0)
        self.enlarge = nn.ModuleList(separable(width) for _ in range(steps))

    def forward(self, features: list[torch.Tensor], shape: tuple[int, int]) -> torch.Tensor:
        """Return the merged map, (B, width, *shape)."""
        maps = [
            lateral(scale(feature))
            for lateral, scale, feature in zip(self.lateral, self.scale, features, strict=True)
        ]
        merged = maps[-1]
        for finer, smooth in zip(maps[-2::-1], list(self.smooth)[::-1], strict=True):
            merged = smooth(finer + resized(merged, (finer.shape[-2], finer.shape[-1])))
        for left, enlarge in zip(range(len(self.enlarge) - 1, -1, -1), self.enlarge, strict=True):
            merged = enlarge(resized(merged, (shape[0] >> left, shape[1] >> left)))
        return resized(merged, shape)


class HeatmapHead(nn.Module):
    """Predict one heatmap a keypoint.

    Heatmaps finer than `FINEST` are predicted there, several cells from one, and shuffled into place (Shi et
    al., CVPR 2016): the head never works on maps as large as the heatmaps.

    Parameters
    ----------
    channels, strides : of the feature maps, finest first.
    keypoints : number of heatmaps.
    width : channels inside the head.
    stride : pixels a heatmap cell; a power of two.
    """

    def __init__(
        self, channels: list[int], strides: list[int], keypoints: int, width: int, stride: int
    ) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels, strides, width, max(stride, FINEST))
        self.predict = HeatmapPredictor(width, keypoints, stride)

    def forward(self, features: list[torch.Tensor], image_hw: tuple[int, int]) -> torch.Tensor:
        """Return heatmap logits for images of a size."""
        return self.predict(self.pyramid(features, merged_shape(image_hw, self.predict.stride)))


class HeatmapPredictor(nn.Module):
    """A linear map from features to heatmap logits, with sub-cells where the heatmaps are finer."""

    def __init__(self, width: int, keypoints: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.cells = max(FINEST // stride, 1)
        self.linear = nn.Conv2d(width, keypoints * self.cells**2, 1)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)  # type: ignore[arg-type]

    def forward(self, merged: torch.Tensor) -> torch.Tensor:
        """Return heatmap logits, (B, K, h, w)."""
        return F.pixel_shuffle(self.linear(merged), self.cells) if self.cells > 1 else self.linear(merged)


class RegressionHead(nn.Module):
    """Predict coordinates from the coarsest feature map, averaged over the image.

    Parameters
    ----------
    channels : of that map.
    keypoints : number of keypoints.
    """

    def __init__(self, channels: int, keypoints: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 2 * keypoints)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: list[torch.Tensor], image_hw: tuple[int, int]) -> torch.Tensor:
        """Return keypoints_model_px, (B, K, 2), float32; an output of 0 is the image's middle, 1 its size."""
        with torch.autocast(features[-1].device.type, enabled=False):  # bfloat16 has steps of half a pixel
            share = self.linear(features[-1].float().mean((-2, -1))).unflatten(1, (-1, 2))
        size = torch.tensor([image_hw[1], image_hw[0]], dtype=share.dtype, device=share.device)
        return (share + 0.5) * size - 0.5


def merged_shape(image_hw: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return height and width of the map that heatmaps of a stride are predicted from."""
    cell = max(stride, FINEST)
    return image_hw[0] // cell, image_hw[1] // cell


def resized(maps: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Resize maps so that they cover the same stretch of the image."""
    if maps.shape[-2:] == shape:
        return maps
    return F.interpolate(maps, size=shape, mode="bilinear", align_corners=False)


def separable(width: int) -> nn.Sequential:
    """Return a light 3x3 convolution: each channel by itself, then all of them in each cell."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
