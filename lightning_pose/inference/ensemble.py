"""Join the predictions of several models to one: their mean, median or confidence-weighted mean.

Axes: M members, N rows, K keypoints. A member that predicted nothing for a keypoint is left out of it.
"""

from __future__ import annotations

import numpy as np

from lightning_pose.io.predictions import VARIANCES
from lightning_pose.settings import Average
from lightning_pose.types import Split


def average_members(
    keypoints_px: np.ndarray, confidence: np.ndarray, average: Average
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ensemble's keypoints and confidence.

    Parameters
    ----------
    keypoints_px : array, (M, N, K, 2)
        Any pixels that all members share; NaN = nothing predicted.
    confidence : array, (M, N, K)
    average : the median is of x and of y apart; the weighted mean is the plain one where nobody is confident.

    Returns
    -------
    keypoints_px : array, (N, K, 2)
        NaN where no member predicted anything.
    confidence : array, (N, K)
        Mean over the members that predicted the keypoint.
    """
    there = np.isfinite(keypoints_px).all(-1)
    weights = there.astype(float)
    mean_confidence = _weighted_mean(confidence, weights * np.isfinite(confidence))
    if average is Average.median:
        return _median(keypoints_px, there), mean_confidence
    if average is Average.confidence_weighted:
        own = np.where(there, np.nan_to_num(confidence), 0.0)
        weights = np.where(own.sum(0) > 0, own, weights)
    return _weighted_mean(keypoints_px, weights[..., None]), mean_confidence


def member_variance(keypoints_px: np.ndarray) -> np.ndarray:
    """Return the population variance of x and of y over the members, (N, K, 2), in squared pixels.

    Parameters
    ----------
    keypoints_px : array, (M, N, K, 2)

    Returns
    -------
    array, (N, K, 2)
        NaN where fewer than two members predicted the keypoint.
    """
    weights = np.isfinite(keypoints_px).all(-1, keepdims=True).astype(float)
    offsets_px = keypoints_px - _weighted_mean(keypoints_px, weights)
    variance = _weighted_mean(np.square(offsets_px, out=offsets_px), weights)
    return np.where(weights.sum(0) >= 2, variance, np.nan)


def variance_columns(keypoints_px: np.ndarray) -> dict[str, np.ndarray]:
    """Return the members' variance under the names that it has in files, each (N, K)."""
    variance = member_variance(keypoints_px)
    return {name: variance[..., axis] for axis, name in enumerate(VARIANCES)}


def joint_splits(splits: list[list[str]]) -> list[str]:
    """Return what each frame is to the ensemble: seen in training if any member saw it there, and so on."""
    order = (Split.TRAIN.value, Split.VALIDATION.value)
    return [next((own for own in order if own in frame), frame[0]) for frame in zip(*splits, strict=True)]


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average over members, NaN where all weights are 0; a value of weight 0 may be NaN."""
    total = weights.sum(0)
    summed = np.zeros(values.shape[1:])
    for own, weight in zip(values, weights, strict=True):  # one by one: no copy of all members
        summed += np.where(weight > 0, own, 0.0) * weight
    result = np.full(summed.shape, np.nan)
    return np.divide(summed, total, out=result, where=np.broadcast_to(total > 0, summed.shape))


def _median(keypoints_px: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the median over the members that predicted a keypoint."""
    ordered = np.sort(np.where(there[..., None], keypoints_px, np.nan), axis=0)  # NaN last
    count = there.sum(0)[None, ..., None]
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(keypoints_px) - 1)
    middle = [np.take_along_axis(ordered, place, axis=0)[0] for place in (low, high)]
    return 0.5 * middle[0] + 0.5 * middle[1]
