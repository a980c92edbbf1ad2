"""How far poses lie from the shapes that labelled ones have: principal components of labels with gaps.

The single-view PCA of the training losses wants complete labels, which an animal seen from one side never
has. Here, gaps are filled in turn with what the components say. A predicted pose is fitted with its keypoints
weighted by confidence, so that a guess at a hidden one bends no others. Axes: N frames, K keypoints,
C components; pixels are those of the filmed frame. Where the animal is does not count; how large it is and
where it faces does.

References
----------
Roweis, NIPS 1997, section 3: principal components of incomplete data, by expectation and maximization.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE = 0.99  # of the variance that components explain, as of the losses
ROUNDS = 15  # of filling gaps, with each number of components
FEWEST_POINTS = 3  # of a pose, and poses of each keypoint
MOVES = 2  # components that move the whole pose
LEAST_WEIGHT = 0.01  # of a keypoint, so that a pose without any confidence can be fitted
POSES_AT_ONCE = 4096  # whose equations, (C, C) each, are held


@dataclass(frozen=True)
class PoseShapes:
    """The plane that labelled poses lie near, each relative to where it is.

    Parameters
    ----------
    mean : array, (K, 2), pixels
    components : array, (C, K, 2)
        Orthonormal; the first two move the whole pose in x and in y.
    variances : array, (C,), squared pixels
        Infinite for the first two.
    noise : float
        Variance of a coordinate about the plane, squared pixels.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    noise: float


def fit_shapes(keypoints_px: np.ndarray) -> PoseShapes | None:
    """Fit the plane to labelled poses.

    Parameters
    ----------
    keypoints_px : array, (N, K, 2)
        NaN = not labelled. Poses with fewer than `FEWEST_POINTS` keypoints are left out.

    Returns
    -------
    PoseShapes, or None if there are too few: of poses to fill gaps by, or of a keypoint.
    """
    known = np.isfinite(keypoints_px).all(-1)
    enough = known.sum(1) >= FEWEST_POINTS
    poses, known = keypoints_px[enough].astype(float), known[enough]
    keypoints = keypoints_px.shape[1]
    if len(poses) < 2 * keypoints or known.sum(0).min() < FEWEST_POINTS:
        return None
    told = np.zeros_like(poses)
    for count in range(2 * keypoints - MOVES):
        for _ in range(ROUNDS):
            shifted = poses - _centre(poses - told, known)
            filled = np.where(known[..., None], shifted, told if count else _means(shifted, known))
            mean, directions, scales = _components(filled)
            told = _projected(filled, mean, directions[:count])
        rest, about_mean = (shifted - told)[known], (shifted - mean.reshape(keypoints, 2))[known]
        if (rest**2).sum() <= (1 - SHARE) * (about_mean**2).sum():
            break
    return poses_about(
        mean.reshape(keypoints, 2),
        directions[:count].reshape(-1, keypoints, 2),
        scales[:count] ** 2 / len(poses),
        float((rest**2).mean()),
    )


def _components(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, components and their scales of complete poses, as flat arrays."""
    flat = (filled - filled.mean(1, keepdims=True)).reshape(len(filled), -1)
    mean = flat.mean(0)
    _, scales, directions = np.linalg.svd(flat - mean, full_matrices=False)
    return mean, directions, scales


def _projected(filled: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    flat = (filled - filled.mean(1, keepdims=True)).reshape(len(filled), -1) - mean
    return (mean + flat @ directions.T @ directions).reshape(filled.shape)


def _means(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean of each keypoint's known places, (K, 2)."""
    return np.where(known[..., None], values, 0.0).sum(0) / known.sum(0)[:, None]


def poses_about(mean: np.ndarray, components: np.ndarray, variances: np.ndarray, noise: float) -> PoseShapes:
    """Return the plane of these components, (C - 2, K, 2), wherever the animal is.

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """
    keypoints = len(mean)
    moves = np.tile(np.eye(2), (keypoints, 1)).T.reshape(MOVES, keypoints, 2) / np.sqrt(keypoints)
    if len(components) != len(variances):
        raise ValueError("a variance for each component")
    return PoseShapes(
        mean, np.concatenate([moves, components]), np.concatenate([[np.inf] * MOVES, variances]), noise
    )


def _centre(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean of each pose's known points, (N, 1, 2)."""
    total = np.where(known[..., None], values, 0.0).sum(1, keepdims=True)
    return total / known.sum(1)[:, None, None]


def shape_errors(keypoints_px: np.ndarray, confidence: np.ndarray, shapes: PoseShapes) -> np.ndarray:
    """Return how far each keypoint lies from where the shape says, (N, K), pixels.

    NaN = not predicted, or with fewer than `FEWEST_POINTS` keypoints, which fit any shape.

    Parameters
    ----------
    keypoints_px : array, (N, K, 2)
    confidence : array, (N, K)
        The weights of the keypoints in the fit.
    """
    # none is small: a product of few rows is rounded otherwise
    starts = range(POSES_AT_ONCE, len(confidence) - POSES_AT_ONCE + 1, POSES_AT_ONCE)
    parts = zip(np.split(keypoints_px, starts), np.split(confidence, starts), strict=True)
    return np.concatenate([_shape_errors(*own, shapes) for own in parts])


def _shape_errors(keypoints_px: np.ndarray, confidence: np.ndarray, shapes: PoseShapes) -> np.ndarray:
    known = np.isfinite(keypoints_px).all(-1)
    weights = np.where(known, np.nan_to_num(confidence).clip(LEAST_WEIGHT), 0.0)
    count = known.sum(1).clip(1)[:, None]
    centre = np.where(known[..., None], keypoints_px, 0.0).sum(1) / count
    rest = np.where(known[..., None], keypoints_px - centre[:, None], 0.0) - shapes.mean
    flat, of_each = rest.reshape(len(rest), -1), np.repeat(weights, 2, axis=1)
    directions = shapes.components.reshape(len(shapes.components), -1)
    products = np.einsum("cj,dj->jcd", directions, directions).reshape(directions.shape[1], -1)
    held = np.diag(shapes.noise / shapes.variances) + 1e-9 * np.eye(len(directions))
    normal = (of_each @ products).reshape(len(flat), *held.shape) + held
    wanted = (of_each * flat) @ directions.T
    told = np.linalg.solve(normal, wanted[..., None])[..., 0] @ directions
    errors = np.linalg.norm((flat - told).reshape(rest.shape), axis=-1)
    return np.where(known & (known.sum(1, keepdims=True) >= FEWEST_POINTS), errors, np.nan)
