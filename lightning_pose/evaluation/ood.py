"""Pixel error against the ensemble's standard deviation: numbers only, no drawing.

Axes: M members, N frames, K keypoints. Errors are in original frame pixels; NaN = not labelled or not
predicted.

References
----------
Biderman et al., Nature Methods 2024, Fig. 4.
Cochran, Sampling Techniques, 1977, chapter 6: the standard error of a ratio, here total error by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOWEST_PX = 0.01


@dataclass(frozen=True)
class ErrorCurve:
    """Mean pixel error of what lies above each threshold of standard deviation.

    Parameters
    ----------
    thresholds, mean, standard_error, share : arrays, (S,)
        `share` is the part of the keypoints left, from 1 to 0. The standard error takes frames for what is
        drawn at random, each with all its keypoints and members, since those are wrong together.
    count : array, (S,), int
        Values that the mean is over.
    """

    thresholds: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray
    share: np.ndarray
    count: np.ndarray


def ensemble_mean(keypoints_px: np.ndarray) -> np.ndarray:
    """Return the mean of all members' predictions.

    Parameters
    ----------
    keypoints_px : array, (M, N, K, 2)

    Returns
    -------
    array, (N, K, 2)
        Over the members that predicted the keypoint; NaN with none.
    """
    there = np.isfinite(keypoints_px).all(-1, keepdims=True)
    return np.where(there, keypoints_px, 0.0).sum(0) / np.where(there.any(0), there.sum(0), np.nan)


def ensemble_standard_deviation(keypoints_px: np.ndarray) -> np.ndarray:
    """Return the spread of all members' predictions.

    Parameters
    ----------
    keypoints_px : array, (M, N, K, 2)

    Returns
    -------
    array, (N, K)
        Population standard deviation of x and of y, averaged over the two; NaN with fewer than two members
        that predicted the keypoint.
    """
    there = np.isfinite(keypoints_px).all(-1, keepdims=True)
    count = there.sum(0)
    mean = ensemble_mean(keypoints_px)
    variance = (np.where(there, keypoints_px - mean, 0.0) ** 2).sum(0) / np.maximum(count, 1)
    deviation = np.sqrt(variance).mean(-1)
    return np.where(count[..., 0] >= 2, deviation, np.nan)


def error_curve(errors: np.ndarray, deviation: np.ndarray, thresholds: np.ndarray) -> ErrorCurve:
    """Average the errors whose standard deviation lies above each threshold.

    Parameters
    ----------
    errors : array, (M, N, K)
        Of the members of one kind.
    deviation : array, (N, K)
        Of all members compared.
    thresholds : array, (S,), ascending.
    """
    frame = np.broadcast_to(np.arange(errors.shape[1])[:, None], errors.shape)
    frame = frame[np.isfinite(errors) & np.isfinite(deviation)]
    errors, spread = paired(errors, deviation)
    order = np.argsort(spread, kind="stable")
    errors, frame, spread = errors[order], frame[order], spread[order]
    start = np.searchsorted(spread, thresholds, side="right")
    count = len(errors) - start
    total = np.append(np.cumsum(errors[::-1])[::-1], 0.0)
    mean = _divide(total[start], count)
    return ErrorCurve(
        thresholds=thresholds,
        mean=mean,
        standard_error=_standard_errors(errors, frame, start, mean),
        share=count / max(len(errors), 1),
        count=count,
    )


def _standard_errors(
    errors: np.ndarray, frame: np.ndarray, start: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Return the standard error of each mean, (S,), of the errors from `start` on; NaN of one frame.

    Parameters
    ----------
    errors, frame : arrays, (n,)
        Errors by rising deviation, and the number of the frame that each is of.
    start, mean : arrays, (S,), `start` ascending
    """
    result, end = np.full(len(start), np.nan), len(errors)
    totals, counts = np.zeros((2, frame.max(initial=0) + 1))
    for s in range(len(start) - 1, -1, -1):  # each time, what lies above one threshold and not the next
        added = slice(start[s], end)
        totals += np.bincount(frame[added], errors[added], len(totals))
        counts += np.bincount(frame[added], minlength=len(counts))
        end, frames = start[s], int((counts > 0).sum())
        if frames > 1:
            rest = totals - mean[s] * counts
            result[s] = np.sqrt(frames / (frames - 1) * (rest**2).sum()) / counts.sum()
    return result


def paired(errors: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat errors and the standard deviation of each, without those that lack either."""
    spread = np.broadcast_to(deviation, errors.shape)
    keep = np.isfinite(errors) & np.isfinite(spread)
    return errors[keep], spread[keep]


def spearman(errors: np.ndarray, deviation: np.ndarray) -> float:
    """Return Spearman's rank correlation of error and standard deviation; NaN where undefined."""
    return rank_statistics(errors, deviation)[0]


def mean_over_members(errors: np.ndarray) -> np.ndarray:
    """Return the mean error of the members that predicted a keypoint, (1, N, K), from (M, N, K).

    One value a keypoint, as the standard deviation has: a member's luck with it averages out.
    """
    there = np.isfinite(errors)
    return _divide(np.where(there, errors, 0.0).sum(0), there.sum(0))[None]


def auroc(errors: np.ndarray, deviation: np.ndarray, limit_px: float) -> float:
    """Return how well the standard deviation tells errors above a limit: 0.5 = not at all, 1 = perfectly.

    The probability that a random keypoint above the limit has the larger deviation, ties counting half
    (the Mann-Whitney statistic). NaN if all errors lie on one side.
    """
    return rank_statistics(errors, deviation, (limit_px,))[1]


def rank_statistics(
    errors: np.ndarray, deviation: np.ndarray, limits_px: Sequence[float] = ()
) -> tuple[float, ...]:
    """Return what `spearman` does, and `auroc` for each limit; ranks of millions are made once."""
    from scipy import stats  # which takes a second to import

    errors, spread = paired(errors, deviation)
    ranks = stats.rankdata(spread)
    rho = float("nan")
    if len(errors) >= 2 and np.ptp(errors) > 0 and np.ptp(spread) > 0:
        rho = float(np.corrcoef(stats.rankdata(errors), ranks)[0, 1])
    return rho, *(_auroc(errors > limit, ranks) for limit in limits_px)


def _auroc(wrong: np.ndarray, ranks: np.ndarray) -> float:
    positives, negatives = int(wrong.sum()), int((~wrong).sum())
    if not positives or not negatives:
        return float("nan")
    return float((ranks[wrong].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def default_thresholds(deviation: np.ndarray, count: int = 60) -> np.ndarray:
    """Return thresholds, evenly spread on a logarithmic axis.

    From just below the smallest deviation, where nearly all keypoints are left, to where 2 % are. Deviations
    below `LOWEST_PX` mean nothing.
    """
    positive = deviation[np.isfinite(deviation) & (deviation > 0)]
    if positive.size == 0:
        return np.geomspace(0.1, 1.0, count)
    low = max(0.999 * float(positive.min()), LOWEST_PX)
    return np.geomspace(low, max(float(np.quantile(positive, 0.98)), 2 * low), count)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    denominator = np.asarray(denominator, dtype=float)
    result = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)
