"""Supervised heatmap losses: pure functions of logits, targets and a mask.

Shapes: logits and targets (B, K, h, w), valid (B, K). Each loss is a mean over the valid keypoints, zero if
there are none.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from lightning_pose.settings import HeatmapLoss

TINY = 1e-12


def heatmap_loss(
    kind: HeatmapLoss, logits: torch.Tensor, targets: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Compare the softmax of `logits` with `targets`, both distributions over cells."""
    per_keypoint = {HeatmapLoss.mse: _mse, HeatmapLoss.kl: _kl, HeatmapLoss.js: _js}[kind]
    values = per_keypoint(logits.float().flatten(2), targets.float().flatten(2))
    return (values * valid).sum() / valid.sum().clamp(min=1)


def _mse(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    cells = targets.shape[-1]
    return ((F.softmax(logits, -1) - targets) ** 2).sum(-1) * cells


def _kl(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (targets * (targets.clamp(min=TINY).log() - F.log_softmax(logits, -1))).sum(-1)


def _js(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    log_prediction = F.log_softmax(logits, -1)
    prediction = log_prediction.exp()
    log_middle = ((prediction + targets) / 2).clamp(min=TINY).log()
    to_target = (targets * (targets.clamp(min=TINY).log() - log_middle)).sum(-1)
    to_prediction = (prediction * (log_prediction - log_middle)).sum(-1)
    return (to_target + to_prediction) / 2
