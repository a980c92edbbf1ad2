"""Heatmaps: targets from keypoints and keypoints from heatmaps.

A heatmap cell covers ``stride`` model pixels; pixel and cell centres lie at integers, so that cell j sits
at model pixel ``(j + 0.5) * stride - 0.5``. Heatmaps are (B, K, h, w), keypoints (B, K, 2) in model pixels.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

WINDOW = 3  # cells to each side of the peak that sub-pixel decoding looks at
WEIGHTLESS = 1e-6  # share of the peak below which a cell says nothing
RIDGE = 1e-9


def model_to_cell(keypoints_model_px: torch.Tensor, stride: int) -> torch.Tensor:
    """Map model pixels to heatmap cells."""
    return (keypoints_model_px + 0.5) / stride - 0.5


def cell_to_model(keypoints_cell: torch.Tensor, stride: int) -> torch.Tensor:
    """Map heatmap cells to model pixels."""
    return (keypoints_cell + 0.5) * stride - 0.5


def gaussian_targets(
    keypoints_model_px: torch.Tensor, shape: tuple[int, int], stride: int, sigma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a Gaussian around each keypoint, normalized to sum 1.

    Parameters
    ----------
    keypoints_model_px : tensor, (B, K, 2)
        NaN = not labelled.
    shape : heatmap height and width, in cells.
    stride : model pixels a cell.
    sigma : standard deviation in cells.

    Returns
    -------
    targets : tensor, (B, K, h, w)
        All zero where there is no keypoint inside the image.
    valid : bool tensor, (B, K)
    """
    height, width = shape
    cell = model_to_cell(keypoints_model_px, stride)
    size = torch.tensor([width, height], device=cell.device)
    valid = ((cell >= -0.5) & (cell <= size - 0.5)).all(-1)  # False for NaN
    cell = torch.where(valid[..., None], cell, torch.zeros_like(cell))
    columns = torch.arange(width, device=cell.device, dtype=cell.dtype)
    rows = torch.arange(height, device=cell.device, dtype=cell.dtype)
    across = torch.exp(-((columns - cell[..., :1]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - cell[..., 1:]) ** 2) / (2 * sigma**2))
    targets = down[..., :, None] * across[..., None, :]
    targets = targets / targets.sum((-2, -1), keepdim=True)
    return targets * valid[..., None, None], valid


def decode(logits: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the keypoint of each heatmap with sub-pixel precision.

    The softmax of a heatmap is a distribution over cells. Within a window around its peak, a parabola is
    fitted to the logarithm of each axis' marginal, weighted by the marginal's square: unbiased for a
    Gaussian, also where the image border cuts it (Guo, IEEE Signal Processing Magazine 2011). The confidence
    is the probability mass in the window.

    Parameters
    ----------
    logits : tensor, (B, K, h, w)
    stride : model pixels a cell.

    Returns
    -------
    keypoints_model_px : tensor, (B, K, 2), float32
    confidence : tensor, (B, K), float32, from 0 to 1
    """
    batch, keypoints, height, width = logits.shape
    probability = F.softmax(logits.float().flatten(2), dim=-1)
    peak = probability.argmax(-1)
    row, column = peak // width, peak % width
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=logits.device)
    padded = F.pad(probability.view(batch, keypoints, height, width), [WINDOW] * 4)
    rows = (row[..., None] + offsets + WINDOW)[..., :, None]
    columns = (column[..., None] + offsets + WINDOW)[..., None, :]
    flat = padded.flatten(2)
    index = (rows * (width + 2 * WINDOW) + columns).flatten(2)
    window = flat.gather(-1, index).view(batch, keypoints, offsets.numel(), offsets.numel())
    mass = window.sum((-2, -1))
    x = column + _gaussian_peak(window.sum(-2), offsets)
    y = row + _gaussian_peak(window.sum(-1), offsets)
    return cell_to_model(torch.stack([x, y], -1).float(), stride), mass.clamp(0, 1)


def _gaussian_peak(marginal: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return where the Gaussian through a marginal, (B, K, n), peaks, within a cell of the middle."""
    marginal = marginal.double()
    marginal = marginal / marginal.amax(-1, keepdim=True)
    weights = torch.where(marginal > WEIGHTLESS, marginal**2, 0.0)
    powers = torch.stack([torch.ones_like(offsets), offsets, offsets**2]).double()
    left = torch.einsum("bkn,in,jn->bkij", weights, powers, powers)
    left = left + RIDGE * torch.eye(3, dtype=left.dtype, device=left.device)
    right = torch.einsum("bkn,in->bki", weights * marginal.clamp(min=WEIGHTLESS).log(), powers)
    _, slope, curvature = torch.linalg.solve(left, right).unbind(-1)
    curvature = curvature.clamp(max=-RIDGE)
    return (-slope / (2 * curvature)).clamp(-1, 1)


def soft_decode(logits: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the keypoint of each heatmap so that gradients reach the logits.

    The expectation over the cells of a window about the peak: a soft argmax (Luvizon et al., Computers &
    Graphics 2019) that a second peak far away does not pull.

    Parameters
    ----------
    logits : tensor, (B, K, h, w)
    stride : model pixels a cell.

    Returns
    -------
    keypoints_model_px : tensor, (B, K, 2), float32
    confidence : tensor, (B, K), float32, from 0 to 1
        The probability mass in the window; carries no gradient.
    """
    height, width = logits.shape[-2:]
    probability = F.softmax(logits.float().flatten(2), dim=-1)
    peak = probability.detach().argmax(-1)
    rows = torch.arange(height, device=logits.device)
    columns = torch.arange(width, device=logits.device)
    down = ((rows - (peak // width)[..., None]).abs() <= WINDOW).float()
    across = ((columns - (peak % width)[..., None]).abs() <= WINDOW).float()
    window = probability.view(logits.shape) * down[..., :, None] * across[..., None, :]
    mass = window.sum((-2, -1))
    x, y = (window.sum(-2) * columns).sum(-1) / mass, (window.sum(-1) * rows).sum(-1) / mass
    return cell_to_model(torch.stack([x, y], -1), stride), mass.detach().clamp(0, 1)
