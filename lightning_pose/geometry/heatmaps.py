"""Heatmaps: targets from keypoints and keypoints from heatmaps.

A heatmap cell covers ``stride`` model pixels; pixel and cell centres lie at integers, so that cell j sits
at model pixel ``(j + 0.5) * stride - 0.5``. Heatmaps are (B, K, h, w), keypoints (B, K, 2) in model pixels.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

WINDOW = 3  # cells to each side of the peak that sub-pixel decoding looks at
WEIGHTLESS = 1e-6  # share of the peak below which a cell says nothing
FLATTEST = -1e-9  # curvature of a marginal's logarithm; above, it peaks nowhere
LOG2_E = math.log2(math.e)
IN_CACHE = 2**19  # heatmap cells, as float32: what the cache of a core or two holds
OUTSIDE = -1e4  # the logit of a cell beyond the border: no mass, and no NaN in a gradient


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


def flat_where(
    occluded: torch.Tensor, targets: torch.Tensor, valid: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace the targets of occluded keypoints, (B, K), by flat ones: the keypoint may be anywhere.

    Returns
    -------
    targets : tensor, (B, K, h, w)
    valid : bool tensor, (B, K)
        A flat target counts, whether or not the keypoint has coordinates.
    """
    flat = 1 / (targets.shape[-2] * targets.shape[-1])
    return torch.where(occluded[..., None, None], flat, targets), valid | occluded


def decode(logits: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the keypoint of each heatmap with sub-pixel precision.

    The softmax of a heatmap is a distribution over cells. Within a window around its peak, a parabola is
    fitted to the logarithm of each axis' marginal, weighted by the marginal's square: unbiased for a
    Gaussian, also where the image border cuts it (Guo, IEEE Signal Processing Magazine 2011, equation 9).
    The confidence is the probability mass in the window. Nothing waits for the accelerator, and whole
    heatmaps are read as few times as can be: see ``benchmarks/head_cost.py``.

    Parameters
    ----------
    logits : tensor, (B, K, h, w)
    stride : model pixels a cell.

    Returns
    -------
    keypoints_model_px : tensor, (B, K, 2), float32
    confidence : tensor, (B, K), float32, from 0 to 1
    """
    window, peak_cell = _window(logits)
    weights = window.exp()
    marginals = torch.stack([weights.sum(-2), weights.sum(-1)], -2)
    cell = peak_cell + _gaussian_peak(marginals)
    return cell_to_model(cell.float(), stride), weights.sum((-2, -1)).clamp(0, 1)


def soft_decode(logits: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find keypoints as `decode` does, but so that a loss of them can be minimized.

    A keypoint is the mean of the softmax in a window around its peak, so that its gradient moves mass within
    the window and is the same however far away the peak is (Sun et al., ECCV 2018, equation 2, in a window).
    A Gaussian wider than the window is pulled to the window's middle, by less than a tenth of a cell for
    the widths that networks are trained to draw, and by more at the border: prefer `decode` for results.

    Parameters
    ----------
    logits : tensor, (B, K, h, w)
    stride : model pixels a cell.

    Returns
    -------
    keypoints_model_px : tensor, (B, K, 2), float32
    confidence : tensor, (B, K), float32, from 0 to 1
        The softmax' mass in the window, differentiable too.
    """
    window, peak_cell = _window(logits)
    share = F.softmax(window.flatten(2), dim=-1).view(window.shape)
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=logits.device, dtype=share.dtype)
    mean = torch.stack([(share.sum(-2) * offsets).sum(-1), (share.sum(-1) * offsets).sum(-1)], -1)
    return cell_to_model(peak_cell + mean, stride), window.exp().sum((-2, -1)).clamp(0, 1)


def _window(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log of the softmax around the peak of each heatmap, (B, K, n, n), and the peak's x and y.

    Cells beyond the border have no mass.
    """
    height, width = logits.shape[-2:]
    highest_of_rows, log_sum = _summary(logits)
    row = highest_of_rows.argmax(-1)
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=logits.device)
    rows = row[..., None] + offsets
    band = logits.gather(-2, rows.clamp(0, height - 1)[..., None].expand(*rows.shape, width))
    column = band[..., WINDOW, :].argmax(-1)
    columns = column[..., None] + offsets
    window = band.gather(-1, columns.clamp(0, width - 1)[..., None, :].expand(*rows.shape, len(offsets)))
    inside = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[
        ..., None, :
    ]
    window = torch.where(inside, window.float() - log_sum[..., None, None], OUTSIDE)
    return window, torch.stack([column, row], -1)


def _summary(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each row's highest logit, (B, K, h), and each heatmap's log of the sum of exponentials, (B, K).

    On a CPU some images at a time, so that what is computed on the way stays in its cache; not while the
    network is translated for another runtime, where a batch may be of any size.
    """
    if logits.device.type != "cpu" or torch.jit.is_tracing() or torch.compiler.is_exporting():
        return logits.amax(-1).float(), logits.float().logsumexp((-2, -1))
    parts = []
    for images in logits.split(max(IN_CACHE // max(logits[0:1].numel(), 1), 1)):
        exact = images.to(torch.float32, memory_format=torch.contiguous_format)
        highest_of_rows = exact.amax(-1)
        highest = highest_of_rows.amax(-1).detach()
        shifted = exact - highest[..., None, None]  # before it is scaled, which would round large logits
        # on a CPU, exp takes four times as long as exp2
        parts.append((highest_of_rows, highest + shifted.mul_(LOG2_E).exp2_().sum((-2, -1)).log()))
    highest, log_sums = zip(*parts, strict=True)
    return torch.cat(highest), torch.cat(log_sums)


def _gaussian_peak(marginals: torch.Tensor) -> torch.Tensor:
    """Return where the Gaussian through each marginal, (..., n), peaks, within a cell of the middle.

    The weighted least squares of ``log m = a + b t + c t^2`` solved in closed form: with the moments of t
    taken about their weighted means, a drops out and two equations are left. Through one or two cells goes
    more than one Gaussian: their weighted mean stands for the peak.
    """
    marginals = marginals.double()
    marginals = marginals / marginals.amax(-1, keepdim=True)
    weights = torch.where(marginals > WEIGHTLESS, marginals**2, 0.0)
    weights = weights / weights.sum(-1, keepdim=True)
    is_one = (weights > 0).sum(-1) > 2
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=marginals.device, dtype=marginals.dtype)
    logs = marginals.clamp(min=WEIGHTLESS).log()
    mean = (weights * offsets).sum(-1)
    first = offsets - mean[..., None]
    second = offsets**2 - (weights * offsets**2).sum(-1, keepdim=True)
    aa, ab, bb = (
        (weights * first**2).sum(-1),
        (weights * first * second).sum(-1),
        (weights * second**2).sum(-1),
    )
    al, bl = (weights * first * logs).sum(-1), (weights * second * logs).sum(-1)
    determinant = torch.where(is_one, aa * bb - ab**2, 1.0)
    slope, curvature = (al * bb - bl * ab) / determinant, (bl * aa - al * ab) / determinant
    peak = -slope / (2 * curvature.clamp(max=FLATTEST))
    return torch.where(is_one, peak, mean).clamp(-1, 1)
