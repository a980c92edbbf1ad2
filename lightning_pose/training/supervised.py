"""The loss of labelled images, whatever the network's head gives."""

from __future__ import annotations

import torch

from lightning_pose.geometry.heatmaps import flat_where, gaussian_targets
from lightning_pose.losses.heatmap import heatmap_loss
from lightning_pose.losses.regression import regression_loss
from lightning_pose.models.network import Output, PoseNetwork
from lightning_pose.settings import HeatmapLoss, ModelSettings, ModelType, takes_context
from lightning_pose.types import Visibility

Batch = dict[str, torch.Tensor]


def supervised_loss(
    output: Output, batch: Batch, network: PoseNetwork, settings: ModelSettings
) -> torch.Tensor:
    """Compare a network's output with the labels.

    Parameters
    ----------
    output : of `PoseNetwork.forward`; of a context network the losses of both heatmaps are added up.
    batch : of labelled images: ``images``, ``keypoints_model_px`` (B, K, 2), NaN = not labelled, and
        ``visible`` (B, K), one of `Visibility`: an occluded keypoint's heatmap shall be flat.
    network : whose output it is.
    settings : the ``model`` section.

    Returns
    -------
    tensor, scalar
        A mean over labelled keypoints.
    """
    if settings.model_type is ModelType.regression:
        height, width = batch["images"].shape[-2:]
        assert isinstance(output, torch.Tensor)
        return regression_loss(output, batch["keypoints_model_px"], (width, height))
    heatmaps = output if isinstance(output, tuple) else (output,)
    targets, valid = heatmap_targets(batch, heatmaps[0], network.stride, settings)
    losses = [heatmap_loss(settings.heatmap_loss_type, logits, targets, valid) for logits in heatmaps]
    return torch.stack(losses).sum()


def heatmap_targets(
    batch: Batch, logits: torch.Tensor, stride: int, settings: ModelSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the heatmaps that logits shall become, (B, K, h, w), and which of them count, (B, K)."""
    height, width = logits.shape[-2:]
    targets, valid = gaussian_targets(
        batch["keypoints_model_px"], (height, width), stride, settings.heatmap_sigma
    )
    return flat_where(batch["visible"] == Visibility.OCCLUDED, targets, valid)


def upstream_unit(settings: ModelSettings, image_hw: tuple[int, int], stride: int) -> float:
    """Return how many times that of upstream Lightning Pose 2.4 a supervised loss is.

    Losses on unlabelled video are multiplied by it, so that ``log_weight`` weighs them against the labels as
    it does there: half of a sum of squares or of a divergence, or a quarter of a squared distance in pixels.
    """
    height, width = image_hw
    if settings.model_type is ModelType.regression:
        return 4 / (height * width)
    heads = 2 if takes_context(settings.model_type) else 1  # added up here, averaged there
    is_mse = settings.heatmap_loss_type is HeatmapLoss.mse
    return 2.0 * heads * ((height // stride) * (width // stride) if is_mse else 1)
