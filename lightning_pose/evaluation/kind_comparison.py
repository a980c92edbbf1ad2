"""Whether one kind of model is better than another: difference of their errors, with a bootstrap interval.

Frames are resampled, each with all its keypoints and members, since those of one frame are wrong together.
Axes: N frames, P pairs of kinds, R resamplings.

References
----------
Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: percentile intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from lightning_pose.evaluation.ood import mean_over_members
from lightning_pose.evaluation.ood_input import Comparison

LEVEL = 0.95  # share of the resamplings inside the interval
RESAMPLINGS = 2000
AT_ONCE = 100  # resamplings held in memory
SEED = 0


@dataclass(frozen=True)
class Difference:
    """Error of one kind less that of another, over the keypoints that both predicted.

    Parameters
    ----------
    kind, versus : the kinds.
    mean : pixels; negative where `kind` is better. NaN if they share no keypoint.
    low, high : pixels, ends of the interval; NaN with fewer than two frames.
    frames : frames with a keypoint that both predicted.
    """

    kind: str
    versus: str
    mean: float
    low: float
    high: float
    frames: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


@lru_cache(maxsize=4)
def kind_differences(comparison: Comparison, resamplings: int = RESAMPLINGS) -> list[Difference]:
    """Compare each kind with those before it, keypoint by keypoint.

    An error of a kind is the mean over its members that predicted the keypoint.
    """
    kinds = list(dict.fromkeys(comparison.kinds))
    errors = {kind: mean_over_members(comparison.of_kind(kind))[0] for kind in kinds}
    pairs = [(kind, versus) for versus, kind in combinations(kinds, 2)]
    if not pairs:
        return []
    differences = np.stack([errors[kind] - errors[versus] for kind, versus in pairs], axis=-1)
    known = np.isfinite(differences)
    totals, counts = np.where(known, differences, 0.0).sum(1), known.sum(1).astype(float)  # (N, P)
    means = _ratio(totals.sum(0), counts.sum(0))
    low, high = _interval(totals, counts, resamplings)
    frames = (counts > 0).sum(0)
    return [
        Difference(*pair, float(means[p]), float(low[p]), float(high[p]), int(frames[p]))
        for p, pair in enumerate(pairs)
    ]


def _interval(totals: np.ndarray, counts: np.ndarray, resamplings: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the interval of each pair's mean.

    Parameters
    ----------
    totals, counts : arrays, (N, P)
        Sum of the differences of each frame, and how many there are.
    """
    frames = len(totals)
    if frames == 0:
        return np.full((2, totals.shape[1]), np.nan)  # type: ignore[return-value]
    rng = np.random.default_rng(SEED)
    found = []
    for start in range(0, resamplings, AT_ONCE):
        drawn = rng.integers(frames, size=(min(AT_ONCE, resamplings - start), frames))
        weights = np.stack([np.bincount(own, minlength=frames) for own in drawn]).astype(float)
        found.append(_ratio(weights @ totals, weights @ counts))
    means = np.concatenate(found)  # (R, P)
    ends = np.full((2, totals.shape[1]), np.nan)
    for p in np.flatnonzero((counts > 0).sum(0) >= 2):
        own = means[np.isfinite(means[:, p]), p]
        ends[:, p] = np.quantile(own, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ends[0], ends[1]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=denominator > 0)
