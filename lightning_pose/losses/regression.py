"""Supervised loss of regressed coordinates: a pure function of predicted and labelled keypoints."""

from __future__ import annotations

import torch


def regression_loss(
    keypoints_model_px: torch.Tensor, labels_model_px: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Return the mean squared error as a share of the image's size, so that no size of image weighs more.

    Parameters
    ----------
    keypoints_model_px, labels_model_px : tensors, (B, K, 2)
        Labels are NaN where there is none: they do not count.
    size : width and height of the images in pixels.

    Returns
    -------
    tensor, scalar
        Zero if nothing is labelled.
    """
    scale = torch.tensor(size, dtype=torch.float32, device=keypoints_model_px.device)
    valid = torch.isfinite(labels_model_px).all(-1)
    labelled = torch.where(valid[..., None], labels_model_px, keypoints_model_px.detach())
    squared = (((keypoints_model_px - labelled) / scale) ** 2).sum(-1)
    return (squared * valid).sum() / valid.sum().clamp(min=1)
