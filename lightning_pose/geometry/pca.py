"""Principal components of labelled poses, and how far predicted ones lie from them.

An observation is a small set of points, (n, 2) in frame pixels: the keypoints of one pose (single view), or
one body part as several views show it (multi-view). Components are fitted in float64; errors are computed by
torch, so that gradients reach the points.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)
Points = TypeVar("Points", np.ndarray, torch.Tensor)

CENTRED_PX = 1e-3  # observations whose centroids all lie this close to 0 lack two freedoms


@dataclass(frozen=True)
class Subspace:
    """The plane that the labels lie near.

    Parameters
    ----------
    mean : tensor, (2n,), frame pixels
    components : tensor, (C, 2n)
        Orthonormal rows, the largest variance first.
    """

    mean: torch.Tensor
    components: torch.Tensor


def centred_poses(keypoints_frame_px: Points, columns: Sequence[int]) -> Points:
    """Return some keypoints relative to their own centroid: the observations of the single-view PCA.

    Frame pixels less the centroid depend neither on where the animal is nor on where its box was placed and
    how large it is, so that one subspace serves whole frames and crops, and an animal that walks is no news.

    Parameters
    ----------
    keypoints_frame_px : (..., K, 2)
    columns : the keypoints, n of them.

    Returns
    -------
    (..., n, 2), NaN throughout if any of the keypoints is.
    """
    points = keypoints_frame_px[..., list(columns), :]
    return points - points.mean(-2)[..., None, :]


def matched_views(keypoints_frame_px: Points, views: Sequence[Sequence[int]]) -> Points:
    """Return each body part as all views show it: the observations of the multi-view PCA.

    Parameters
    ----------
    keypoints_frame_px : (..., K, 2)
    views : for each of the V views, the keypoints of its P body parts, in the same order.

    Returns
    -------
    (..., P, V, 2)
    """
    shape = (*keypoints_frame_px.shape[:-2], len(views[0]), len(views), 2)
    in_turn = [column for part in zip(*views, strict=True) for column in part]
    return keypoints_frame_px[..., in_turn, :].reshape(shape)


def fit_subspace(
    observations: np.ndarray, components_to_keep: float, point_names: Sequence[str], where: str
) -> Subspace:
    """Fit principal components to the observations without NaN.

    Parameters
    ----------
    observations : array, (N, n, 2)
        NaN = not labelled.
    components_to_keep : below 1, the share of variance to explain; else the number of components.
    point_names : of the n points, for messages.
    where : the setting that asks for it, for messages.

    Raises
    ------
    UserError
        If fewer observations are complete than one has numbers, or if so many components leave no rest.

    References
    ----------
    Biderman et al., Nature Methods 2024, "Lightning Pose", Methods: the PCA losses.
    """
    points = observations.shape[1]
    complete = np.isfinite(observations).all((1, 2))
    rows = observations[complete].reshape(-1, 2 * points).astype(float)
    if len(rows) < 2 * points:
        raise UserError(Problem(where, *_too_few(observations, len(rows), point_names)))
    freedom = 2 * points - (2 if np.abs(rows.reshape(-1, points, 2).mean(1)).max() < CENTRED_PX else 0)
    if components_to_keep >= freedom:
        expected = f"below {freedom}, the numbers that an observation is free in"
        raise UserError(Problem(f"{where}.components_to_keep", expected, f"{components_to_keep:g}"))
    mean = rows.mean(0)
    _, scales, directions = np.linalg.svd(rows - mean, full_matrices=False)
    count = int(components_to_keep) if components_to_keep >= 1 else _enough(scales**2, components_to_keep)
    if count >= freedom:
        told = "%s.components_to_keep: %g of the variance of %s takes all %d components: no pose has an error"
        logger.warning(told, where, components_to_keep, ", ".join(point_names), count)
    return Subspace(torch.from_numpy(mean), torch.from_numpy(directions[:count]))


def reprojection_error(points_frame_px: torch.Tensor, subspace: Subspace) -> torch.Tensor:
    """Return how far each point lies from its projection onto the subspace, in frame pixels.

    Parameters
    ----------
    points_frame_px : tensor, (..., n, 2)

    Returns
    -------
    tensor, (..., n)
    """
    rest = points_frame_px.flatten(-2) - subspace.mean
    rest = rest - (rest @ subspace.components.T) @ subspace.components
    return torch.linalg.vector_norm(rest.view(points_frame_px.shape), dim=-1)


def empirical_epsilon(
    observations: np.ndarray, subspace: Subspace, percentile: float, multiplier: float
) -> float:
    """Return the error that a share of the labelled points stays below, times a factor; frame pixels.

    Parameters
    ----------
    observations : array, (N, n, 2); incomplete ones are left out.
    percentile : the share, 0 to 1.
    """
    complete = np.isfinite(observations).all((1, 2))
    errors = reprojection_error(torch.from_numpy(observations[complete].astype(float)), subspace)
    return multiplier * float(torch.quantile(errors.flatten(), percentile))


def _enough(variances: np.ndarray, share: float) -> int:
    """Return how many components explain a share of the variance; one at least."""
    total = variances.sum()
    if total == 0:
        return 1
    return int(np.searchsorted(np.cumsum(variances) / total, share - 1e-12) + 1)


def _too_few(observations: np.ndarray, complete: int, names: Sequence[str]) -> tuple[str, str]:
    missing = (~np.isfinite(observations).all(2)).sum(0)
    differs = missing.max() > missing.min()  # a centred pose lacks all points or none
    often = f" ({names[int(missing.argmax())]} is missing most often)" if differs else ""
    needed = f"at least {2 * len(names)} complete labels of {', '.join(names)}"
    return needed, f"{complete} among {len(observations)}{often}"
