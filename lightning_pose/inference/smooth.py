"""Smooth what several models predict on a video by the Ensemble Kalman Smoother.

A keypoint moves as a random walk; what the members agree on counts for more than what they disagree on. Needs
the package ``ensemble-kalman-smoother``, which pins an old jax, and so an environment of its own.

Axes: M members, T frames, K keypoints, V mirrored views of one frame, P points that are seen in all of them.

References
----------
Biderman, Whiteway et al., Nature Methods 2024, Methods: "Ensemble Kalman Smoother", for one view and several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lightning_pose.inference.ensemble import average_members, member_variance
from lightning_pose.settings import Average

FIELDS = ["x", "y", "likelihood"]
LEAST_CONFIDENCE = 1e-3  # the smoother divides the members' variance by it
LEAST_SPREAD_PX = 1.0  # of a keypoint that never moves
LATENT_DIMS = 3  # the space that mirrored views look at
TRUSTED_PERCENT = 50.0  # of the frames, those of lowest variance: what the views' common space is fitted to


def smooth_members(
    keypoints_px: np.ndarray,
    confidence: np.ndarray,
    views: Sequence[Sequence[int]] = (),
    smooth_param: float | None = None,
    fit_frames: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the smoothed keypoints and the posterior variance of x and of y, both (T, K, 2).

    Parameters
    ----------
    keypoints_px : array, (M, T, K, 2)
        Pixels that all members share; NaN = nothing predicted. Two members and two frames or more.
    confidence : array, (M, T, K)
    views : V lists of P keypoint numbers: keypoint ``views[v][p]`` is point p seen in view v. Such points are
        smoothed in the space that the views share, the other keypoints each by itself.
    smooth_param : variance of a step of the walk, less is smoother; None = the most likely for each keypoint.
    fit_frames : so many frames, from the first, decide what is most likely; None = all.

    Returns
    -------
    keypoints_px, variance : array, (T, K, 2)
        NaN for keypoints that no member ever predicted. Where nobody predicted a keypoint for a while, it
        goes on from the frames before and after, with a large variance.
    """
    seen = np.isfinite(keypoints_px).all(-1).any((0, 1))
    filled_px, trust = fill_gaps(keypoints_px[:, :, seen], confidence[:, :, seen])
    own = np.concatenate([filled_px, trust[..., None]], axis=-1)
    column = np.cumsum(seen) - 1  # of a keypoint, among those seen
    points = [[column[k] for k in point] for point in zip(*views, strict=True) if seen[list(point)].all()]
    alone = [k for k in range(own.shape[2]) if all(k not in point for point in points)]
    found = np.full((2, *own.shape[1:3], 2), np.nan)
    if alone:
        found[:, :, alone] = _smooth_alone(own[:, None, :, alone], smooth_param, fit_frames)[:, 0]
    if points:
        together = np.stack([own[:, :, list(view)] for view in zip(*points, strict=True)], axis=1)
        by_view = _smooth_views(together, smooth_param, fit_frames)
        for view, columns in enumerate(zip(*points, strict=True)):
            found[:, :, list(columns)] = by_view[:, view]
    result = np.full((2, *keypoints_px.shape[1:]), np.nan)
    result[:, :, seen] = found
    return result[0], result[1]


def fill_gaps(keypoints_px: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return members without gaps that say of a gap how little is known there.

    Two members or more tell their variance: others get their median, and they are moved away from it until
    the variance over all is theirs. Where only one predicted a keypoint, the members get the largest variance
    that they have of it in any frame; where none did, the position is interpolated, and their variance is
    that of the keypoint's whole path.

    Parameters
    ----------
    keypoints_px : array, (M, T, K, 2)
        Each keypoint is predicted somewhere.
    confidence : array, (M, T, K)

    Returns
    -------
    keypoints_px : array, (M, T, K, 2)
    confidence : array, (M, T, K)
    """
    there = np.isfinite(keypoints_px).all(-1)
    count = there.sum(0)
    center_px, mean_confidence = average_members(keypoints_px, confidence, Average.median)
    center_px = _interpolate(center_px)
    path_px = np.maximum(center_px.std(axis=0), LEAST_SPREAD_PX)
    known = member_variance(keypoints_px)
    widest_px = np.sqrt(np.max(np.nan_to_num(known), axis=0, initial=0.0))
    widest_px = np.where(widest_px > 0, widest_px, path_px)
    doubt_px = np.where((count == 1)[..., None], widest_px, path_px)
    offsets = np.linspace(-1.0, 1.0, len(keypoints_px))
    offsets /= offsets.std()
    apart_px = center_px + offsets[:, None, None, None] * doubt_px
    filled_px = np.where(there[..., None], keypoints_px, center_px)
    filled_px = np.where((count < 2)[..., None], apart_px, filled_px)
    is_partial = ((count >= 2) & (count < len(keypoints_px)))[..., None]
    spread = filled_px.var(axis=0)  # too small, by those who got the median
    factor = np.divide(known, spread, out=np.ones_like(known), where=is_partial & (spread > 0))
    filled_px = np.where(is_partial, center_px + (filled_px - center_px) * np.sqrt(factor), filled_px)
    trust = np.where(there & np.isfinite(confidence), confidence, np.nan_to_num(mean_confidence, nan=1.0))
    return filled_px, np.clip(trust, LEAST_CONFIDENCE, 1.0)


def _interpolate(center_px: np.ndarray) -> np.ndarray:
    """Fill the frames, (T, K, 2), in which a keypoint is NaN, from those before and after."""
    frames, filled = np.arange(len(center_px)), center_px.copy()
    for k in range(center_px.shape[1]):
        there = np.isfinite(center_px[:, k]).all(-1)
        for axis in range(2):
            filled[:, k, axis] = np.interp(frames, frames[there], center_px[there, k, axis])
    return filled


def _smooth_alone(own: np.ndarray, smooth_param: float | None, fit_frames: int | None) -> np.ndarray:
    """Smooth each keypoint by itself.

    Parameters
    ----------
    own : array, (M, 1, T, P, 3)
        x, y, confidence.

    Returns
    -------
    array, (2, 1, T, P, 2)
        Keypoints, and their posterior variance.
    """
    from eks.singlecam_smoother import ensemble_kalman_smoother_singlecam

    points = own.shape[3]
    twice = (
        np.concatenate([own, own], axis=3) if points == 1 else own
    )  # the package loses an axis of length 1
    table, _ = ensemble_kalman_smoother_singlecam(
        marker_array=_marker_array(twice),
        keypoint_names=_names(twice.shape[3]),
        smooth_param=smooth_param,
        s_frames=_stretch(fit_frames, own.shape[2]),
    )
    return _from_tables([table], points)


def _smooth_views(own: np.ndarray, smooth_param: float | None, fit_frames: int | None) -> np.ndarray:
    """Smooth points that several views show, (M, V, T, P, 3): (2, V, T, P, 2), as `_smooth_alone`."""
    from eks.multicam_smoother import ensemble_kalman_smoother_multicam

    tables, *_ = ensemble_kalman_smoother_multicam(
        marker_array=_marker_array(own),
        keypoint_names=_names(own.shape[3]),
        camera_names=[f"view_{v}" for v in range(own.shape[1])],
        smooth_param=smooth_param,
        quantile_keep_pca=TRUSTED_PERCENT,
        s_frames=_stretch(fit_frames, own.shape[2]),
        n_latent=LATENT_DIMS,
    )
    return _from_tables(tables, own.shape[3])


def _marker_array(own: np.ndarray) -> Any:
    from eks.marker_array import MarkerArray

    return MarkerArray(own.copy(), data_fields=FIELDS)


def _names(points: int) -> list[str]:
    return [f"point_{p}" for p in range(points)]


def _stretch(fit_frames: int | None, frames: int) -> list[tuple[int | None, int | None]] | None:
    return None if fit_frames is None or fit_frames >= frames else [(None, fit_frames)]


def _from_tables(tables: Sequence[Any], points: int) -> np.ndarray:
    """Return keypoints and posterior variance, (2, V, T, P, 2), of the package's data frames, one a view."""
    pairs = (("x", "y"), ("x_posterior_var", "y_posterior_var"))
    views = [
        [
            np.stack([[table.xs((name, coord), axis=1, level=(1, 2)).to_numpy()[:, 0] for coord in pair]
                      for name in _names(points)])
            for pair in pairs
        ]
        for table in tables
    ]  # fmt: skip
    return np.asarray(views, float).transpose(1, 0, 4, 2, 3)
