"""Losses are zero for a perfect heatmap, positive otherwise, and blind to what is not labelled."""

import pytest
import torch

from lightning_pose.geometry.heatmaps import gaussian_targets
from lightning_pose.losses.heatmap import heatmap_loss
from lightning_pose.settings import HeatmapLoss


@pytest.mark.parametrize("kind", list(HeatmapLoss))
def test_perfect_is_zero_and_wrong_is_not(kind: HeatmapLoss) -> None:
    keypoints = torch.tensor([[[40.0, 30.0], [60.0, 50.0]]])
    targets, valid = gaussian_targets(keypoints, (24, 32), 4, 1.0)
    logits = targets.clamp(min=1e-12).log()
    assert heatmap_loss(kind, logits, targets, valid).item() == pytest.approx(0, abs=1e-4)
    assert heatmap_loss(kind, logits.flip(-1), targets, valid).item() > 0.1


@pytest.mark.parametrize("kind", list(HeatmapLoss))
def test_unlabelled_keypoints_do_not_count(kind: HeatmapLoss) -> None:
    keypoints = torch.tensor([[[40.0, 30.0], [float("nan"), float("nan")]]])
    targets, valid = gaussian_targets(keypoints, (24, 32), 4, 1.0)
    logits = torch.randn(1, 2, 24, 32, generator=torch.Generator().manual_seed(0))
    changed = logits.clone()
    changed[:, 1] += torch.randn(24, 32, generator=torch.Generator().manual_seed(1))
    assert heatmap_loss(kind, logits, targets, valid) == heatmap_loss(kind, changed, targets, valid)
