"""Heatmaps of one image as cells of another: for comparing frames whose crops differ."""

from __future__ import annotations

import torch
from torch.nn import functional as F

LEAST_MASS = 0.5  # of a heatmap that has to lie within the other image


def cells_to_frame(model_to_frame: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the matrices that map heatmap cells to frame pixels, (..., 3, 3)."""
    half = 0.5 * stride - 0.5
    cells = model_to_frame.new_tensor([[stride, 0, half], [0, stride, half], [0, 0, 1]])
    return model_to_frame @ cells


def warp_heatmaps(
    probabilities: torch.Tensor, target_to_source: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Resample distributions over cells of one image as distributions over cells of another.

    Parameters
    ----------
    probabilities : tensor, (B, K, h, w)
        Each sums to 1.
    target_to_source : tensor, (B, 3, 3)
        Maps cells of the other image to cells of these heatmaps.

    Returns
    -------
    warped : tensor, (B, K, h, w)
        Each sums to 1, where there is anything left of it.
    valid : bool tensor, (B, K)
        False where more than half of a distribution lies outside the other image.
    """
    height, width = probabilities.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, device=probabilities.device),
        torch.arange(width, device=probabilities.device),
        indexing="ij",
    )
    cells = torch.stack([columns, rows, torch.ones_like(rows)], -1).to(probabilities.dtype)
    source = torch.einsum("bij,hwj->bhwi", target_to_source.to(probabilities.dtype), cells)[..., :2]
    size = source.new_tensor([width, height])
    grid = (2 * source + 1) / size - 1
    warped = F.grid_sample(probabilities, grid, padding_mode="zeros", align_corners=False)
    density = torch.linalg.det(target_to_source[:, :2, :2].double()).abs().to(probabilities.dtype)
    warped = warped * density[:, None, None, None]
    mass = warped.sum((-2, -1), keepdim=True)
    return warped / mass.clamp(min=1e-6), mass.detach()[..., 0, 0] >= LEAST_MASS
