"""The pose network: normalization, backbone, head, and the head's output as keypoints.

Input: RGB images (B, 3, H, W), uint8 or 0..255 floats; with context (B, 5, 3, H, W) for labelled frames, or
(T, 3, H, W) for consecutive frames of a video. What the head gives depends on ``model.model_type``:

- heatmap: logits, (B, K, H / stride, W / stride)
- heatmap_mhcrnn: two of them, without and with context
- regression: keypoints_model_px, (B, K, 2)

`PoseNetwork.decode` turns any of them into keypoints and confidences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lightning_pose.geometry.heatmaps import decode, soft_decode
from lightning_pose.models.backbones import (
    build_backbone,
    early_stages,
    normalization,
    patched_size,
    timm_name_of,
    weights_source,
)
from lightning_pose.models.context_head import (
    FRAMES,
    ContextHead,
    windows_of_labelled,
    windows_of_sequence,
)
from lightning_pose.models.hardware import train_depthwise_in_float32
from lightning_pose.models.heads import FINEST, HeatmapHead, RegressionHead, resized
from lightning_pose.settings import ModelSettings, ModelType, Weights, takes_context

Output = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
Keypoints = tuple[torch.Tensor, torch.Tensor]


class PoseNetwork(nn.Module):
    """Keypoints from images.

    Parameters
    ----------
    settings : the ``model`` section.
    num_keypoints : K.
    stride : input pixels a heatmap cell; a power of two.
    pretrained : False builds without first weights, for loading trained ones.
    image_hw : height and width of the images in pixels; only a transformer depends on it.
    """

    def __init__(
        self,
        settings: ModelSettings,
        num_keypoints: int,
        stride: int,
        pretrained: bool = True,
        image_hw: tuple[int, int] = (256, 256),
    ) -> None:
        super().__init__()
        self.stride, self.model_type = stride, settings.model_type
        self.timm_name = timm_name_of(settings.backbone)
        weights = settings.weights if pretrained else Weights.random
        checkpoint = settings.backbone_checkpoint if pretrained else None
        self.backbone = build_backbone(settings.backbone, weights, image_hw, checkpoint)
        mean, std = normalization(settings.backbone)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))
        self.levels, self.head = _build_head(self.backbone, settings, num_keypoints, stride)
        self.freezes_batch_norm = _freezes_batch_norm(settings)
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

    def forward(self, images: torch.Tensor) -> Output:
        """Return what the head gives: see the top of this module."""
        return self.answer(self.maps(images), (images.shape[-2], images.shape[-1]), images.dim() == 5)

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of all frames of images, (B, 3, H, W) or (B, 5, 3, H, W), finest first."""
        return self.features(images.flatten(0, 1) if images.dim() == 5 else images)

    def answer(self, maps: list[torch.Tensor], image_hw: tuple[int, int], is_labelled: bool) -> Output:
        """Return what the head makes of feature maps.

        Parameters
        ----------
        maps : of N frames, finest first.
        image_hw : height and width of the frames in pixels.
        is_labelled : for context: whether each five are a labelled frame's, or all are one sequence.
        """
        if not isinstance(self.head, ContextHead):
            return self.head(maps, image_hw)
        windows = windows_of_labelled if is_labelled else windows_of_sequence
        return self.head(maps, image_hw, windows(maps[0].shape[0], maps[0].device))

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the backbone's feature maps that the head uses, of images (N, 3, H, W), finest first."""
        normalized = (images.float() - self.mean) / self.std
        image_hw = int(images.shape[-2]), int(images.shape[-1])
        normalized = resized(normalized, patched_size(self.timm_name, image_hw))
        maps = self.backbone(normalized.contiguous(memory_format=torch.channels_last))
        if getattr(self.backbone, "output_fmt", "NCHW") == "NHWC":  # of some transformers
            maps = [own.permute(0, 3, 1, 2) for own in maps]
        return [maps[level] for level in self.levels]

    def decode(self, output: Output) -> Keypoints:
        """Find the keypoints in what `forward` returned.

        Parameters
        ----------
        output : of `forward`, for B images.

        Returns
        -------
        keypoints_model_px : tensor, (B, K, 2), float32
        confidence : tensor, (B, K), float32, from 0 to 1
            Of heatmaps, the mass around the peak; of the two with context, the higher. Coordinates that are
            regressed say nothing of how sure they are: always 1.
        """
        return self._keypoints(output, decode)

    def soft_decode(self, output: Output) -> Keypoints:
        """Find the keypoints as `decode` does, differentiable, for losses of coordinates."""
        return self._keypoints(output, soft_decode)

    def heatmaps(self, output: torch.Tensor) -> torch.Tensor | None:
        """Return the logits of heatmaps that one head gave, (B, K, h, w); None without heatmaps."""
        return None if self.model_type is ModelType.regression else output

    def _keypoints(self, output: Output, find: Callable[[torch.Tensor, int], Keypoints]) -> Keypoints:
        if isinstance(output, tuple):
            return more_confident(*(find(logits, self.stride) for logits in output))
        if self.model_type is ModelType.regression:
            return output.float(), torch.ones_like(output[..., 0], dtype=torch.float32)
        return find(output, self.stride)


def more_confident(first: Keypoints, second: Keypoints) -> Keypoints:
    """Return, keypoint by keypoint, the more confident of two predictions; the first if they are equal."""
    wins = second[1] > first[1]
    keypoints_model_px = torch.where(wins[..., None], second[0], first[0])
    return keypoints_model_px, torch.where(wins, second[1], first[1])


def image_shape(model_type: ModelType, image_hw: tuple[int, int]) -> tuple[int, ...]:
    """Return the shape of one sample of a batch."""
    return (FRAMES, 3, *image_hw) if takes_context(model_type) else (3, *image_hw)


def _build_head(
    backbone: Any, settings: ModelSettings, keypoints: int, stride: int
) -> tuple[list[int], HeatmapHead | ContextHead | RegressionHead]:
    """Return which of the backbone's feature maps the head uses, and the head."""
    all_strides, all_channels = backbone.feature_info.reduction(), backbone.feature_info.channels()
    if settings.model_type is ModelType.regression:
        return [len(all_strides) - 1], RegressionHead(all_channels[-1], keypoints)
    finest = max(stride, FINEST)
    levels = [i for i, own in enumerate(all_strides) if own >= finest]
    channels, strides = [all_channels[i] for i in levels], [all_strides[i] for i in levels]
    kind = ContextHead if takes_context(settings.model_type) else HeatmapHead
    return levels, kind(channels, strides, keypoints, settings.head_channels, stride)


def _freezes_batch_norm(settings: ModelSettings) -> bool:
    """Resolve null: yes, unless the statistics are yet to be learned."""
    if settings.freeze_batch_norm is not None:
        return settings.freeze_batch_norm
    starts_trained = settings.backbone_checkpoint is not None or settings.checkpoint is not None
    return starts_trained or weights_source(settings.backbone, settings.weights) is not Weights.random
