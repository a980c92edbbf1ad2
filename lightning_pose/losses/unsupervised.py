"""Losses on unlabelled video: pure functions of what a network predicts on consecutive frames.

T consecutive frames, K keypoints, heatmaps of h x w cells. Each loss is a mean over all frames (or pairs of
frames) and keypoints, in which those of low confidence count as zero. Up to `epsilon` a difference costs
nothing.

References
----------
Biderman et al., Nature Methods 2024, "Lightning Pose: improved animal pose estimation via semi-supervised
learning, Bayesian ensembling and cloud-native open-source tools", Methods.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from lightning_pose.geometry.heatmaps import gaussian_targets
from lightning_pose.settings import AnnealWeight

TINY = 1e-12


def weight(log_weight: float) -> float:
    """Return the weight of a loss from its logarithm, as for a Gaussian of variance exp(log_weight)."""
    return 1 / (2 * math.exp(log_weight))


def importance(epoch: int, anneal: AnnealWeight) -> float:
    """Return the factor of all weights at an epoch: constant, then rising linearly to its final value."""
    risen = anneal.init_val + anneal.increase_factor * max(epoch - anneal.freeze_until_epoch, 0)
    return min(risen, anneal.final_val) if epoch > anneal.freeze_until_epoch else anneal.init_val


def temporal(
    keypoints_frame_px: torch.Tensor,
    confidence: torch.Tensor,
    epsilon: float | torch.Tensor,
    prob_threshold: float,
) -> torch.Tensor:
    """Penalize how far keypoints jump from frame to frame, beyond `epsilon`, in frame pixels.

    Parameters
    ----------
    keypoints_frame_px : tensor, (T, K, 2)
    confidence : tensor, (T, K)
    epsilon : frame pixels; one number, or (K,).
    prob_threshold : a jump counts only if the keypoint is as confident on both sides of it.
    """
    jumps = torch.linalg.vector_norm(keypoints_frame_px.diff(dim=0), dim=-1)
    return _masked_mean(F.relu(jumps - epsilon), _both(confidence >= prob_threshold))


def temporal_heatmap_mse(
    probabilities: torch.Tensor, following: torch.Tensor, valid: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Penalize the mean squared difference of each frame's heatmaps and the next one's.

    Parameters
    ----------
    probabilities : tensor, (T - 1, K, h, w)
        Each sums to 1.
    following : tensor, (T - 1, K, h, w)
        Those of the next frames, as cells of the same images.
    valid : bool tensor, (T - 1, K)
    """
    values = ((probabilities - following) ** 2).mean((-2, -1))
    return _masked_mean(F.relu(values - epsilon), valid)


def temporal_heatmap_kl(
    probabilities: torch.Tensor, following: torch.Tensor, valid: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Penalize the Kullback-Leibler divergence of each frame's heatmaps from the next one's, in nats.

    Parameters are those of `temporal_heatmap_mse`.
    """
    ratio = (probabilities.clamp(min=TINY) / following.clamp(min=TINY)).log()
    values = (probabilities * ratio).sum((-2, -1))
    return _masked_mean(F.relu(values - epsilon), valid)


def pca(
    errors_frame_px: torch.Tensor, confidence: torch.Tensor, epsilon: float, prob_threshold: float
) -> torch.Tensor:
    """Penalize distances from the subspace of the labels beyond `epsilon`, in frame pixels.

    Parameters
    ----------
    errors_frame_px : tensor, any shape
        See `lightning_pose.geometry.pca.reprojection_error`.
    confidence : tensor, same shape
        Of each point; in the multi-view loss, the lowest of all views of a body part.
    """
    return _masked_mean(F.relu(errors_frame_px - epsilon), confidence >= prob_threshold)


def unimodal(
    kind: str,
    logits: torch.Tensor,
    keypoints_model_px: torch.Tensor,
    confidence: torch.Tensor,
    stride: int,
    sigma: float,
    epsilon: float,
    prob_threshold: float,
) -> torch.Tensor:
    """Penalize what a heatmap has besides a Gaussian about its own keypoint.

    Parameters
    ----------
    kind : ``mse``, the mean squared difference, or ``kl``, divergence in nats.
    logits : tensor, (T, K, h, w)
    keypoints_model_px : tensor, (T, K, 2)
        The heatmaps' own keypoints; no gradient goes through them.
    confidence : tensor, (T, K)
    stride : model pixels a cell.
    sigma : of the Gaussian, in cells.
    """
    shape = (logits.shape[-2], logits.shape[-1])
    targets, valid = gaussian_targets(keypoints_model_px.detach(), shape, stride, sigma)
    log_probabilities = F.log_softmax(logits.float().flatten(2), -1)
    targets = targets.flatten(2)
    if kind == "mse":
        values = ((log_probabilities.exp() - targets) ** 2).mean(-1)
    else:
        values = (targets * (targets.clamp(min=TINY).log() - log_probabilities)).sum(-1)
    return _masked_mean(F.relu(values - epsilon), valid & (confidence >= prob_threshold))


def _both(confident: torch.Tensor) -> torch.Tensor:
    return confident[:-1] & confident[1:]


def _masked_mean(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the mean over all values, of which the invalid ones, NaN too, count as zero."""
    return torch.where(valid, values, torch.zeros_like(values)).mean()
