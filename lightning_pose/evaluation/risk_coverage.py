"""Error of what remains when the least certain share is dropped.

Axes: M members, N frames, K keypoints. Errors and deviations are in original frame pixels.

References
----------
Geifman & El-Yaniv, NeurIPS 2017, section 2: risk and coverage of a selective prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightning_pose.evaluation.ood import paired

COVERAGES = np.linspace(0.05, 1.0, 39)  # below, too few keypoints remain for a mean


@dataclass(frozen=True)
class RiskCurve:
    """Mean pixel error of the most certain keypoints.

    Parameters
    ----------
    coverage : array, (S,)
        Share of the keypoints that is kept, those of the smallest standard deviation.
    mean : array, (S,)
        NaN where there are none.
    count : array, (S,), int
        Values that the mean is over.
    """

    coverage: np.ndarray
    mean: np.ndarray
    count: np.ndarray


def risk_curve(errors: np.ndarray, deviation: np.ndarray, coverage: np.ndarray = COVERAGES) -> RiskCurve:
    """Average the errors of the most certain keypoints, for each share of them.

    Parameters
    ----------
    errors : array, (M, N, K)
        Of the members of one kind.
    deviation : array, (N, K)
        Of all members compared. Of equal deviations, any may be kept: the mean is that over all orders.
    coverage : array, (S,), above 0 and up to 1; at least one keypoint is kept.
    """
    errors, spread = paired(errors, deviation)
    count = np.ceil(np.round(coverage * len(errors), 9)).astype(int)
    if not len(errors):
        return RiskCurve(coverage, np.full(len(coverage), np.nan), count)
    _, group, sizes = np.unique(spread, return_inverse=True, return_counts=True)
    of_group = np.bincount(group, errors) / sizes
    total = np.cumsum(np.repeat(of_group, sizes))
    return RiskCurve(coverage, total[count - 1] / count, count)
