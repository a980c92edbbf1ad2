"""How wrong a keypoint probably is: expected error by ensemble deviation, confidence and PCA error.

Labelled frames teach it. Each of the three is mapped to an error by isotonic regression; so is their
weighted geometric mean, with the weights of a linear regression of the logarithms, none below 0: what tells
nothing of errors has no weight. The interval about it is split conformal: quantiles of error over expected
error on frames that the regression did not see, in turn. Frames, never single keypoints, are held out, since
those of a frame are wrong together. Axes: N frames, K keypoints, J signals; pixels are those of the filmed
frame.

References
----------
Zadrozny & Elkan, KDD 2002: calibration by isotonic regression.
Lei et al., JASA 2018, sections 2.2 and 5.2: split conformal intervals, of locally weighted width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

LEVEL = 0.9  # share of errors inside their intervals
FOLDS = 5
LEAST_PX = 0.05  # expected errors below mean nothing
LEAST_SPREAD = 0.01  # of the logarithms of what a signal says: a hundredth of an error
FEWEST_FRAMES = 10
SEED = 0

Steps = tuple[np.ndarray, np.ndarray]  # of a monotonous function: where it is known, and its values there


@dataclass(frozen=True)
class Evidence:
    """What is known of keypoints before they are labelled.

    Parameters
    ----------
    deviation : array, (N, K)
        Ensemble standard deviation in pixels; NaN = unknown.
    confidence : array, (N, K)
    pca_error : array, (N, K), or None
        How far the pose lies from labelled ones, in pixels; NaN = unknown, then the deviation stands for it;
        None = unknown throughout.
    """

    deviation: np.ndarray
    confidence: np.ndarray
    pca_error: np.ndarray | None = None

    def __getitem__(self, rows: Any) -> Evidence:
        """Return some of the frames."""
        pca_error = None if self.pca_error is None else self.pca_error[rows]
        return Evidence(self.deviation[rows], self.confidence[rows], pca_error)

    @property
    def signals(self) -> list[np.ndarray]:
        """What rises with the error, each (N, K)."""
        return [self.deviation, -self.confidence, *([] if self.pca_error is None else [self.pca_error])]


@dataclass(frozen=True)
class Calibration:
    """A calibrated error model.

    Parameters
    ----------
    of_signals : J steps
        The regressions of the evidence's signals: deviation, confidence (negative), PCA error if it is known.
    weights : array, (J,)
        Of the logarithms of what those say; they sum up to 1.
    of_joined : steps
        The regression of their weighted geometric mean.
    low, high : float
        Ends of the interval as multiples of the expected error.
    """

    of_signals: list[Steps]
    weights: np.ndarray
    of_joined: Steps
    low: float = 0.0
    high: float = 0.0

    def expected_error(self, evidence: Evidence) -> np.ndarray:
        """Return the expected error, (N, K), pixels; NaN where the deviation is unknown."""
        joined = np.exp(_logarithms(self.of_signals, evidence) @ self.weights)
        return np.maximum(_interpolate(self.of_joined, joined), LEAST_PX)

    def interval(self, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both ends of the interval of an expected error."""
        return self.low * expected, self.high * expected


def fit_calibration(errors: np.ndarray, evidence: Evidence) -> Calibration:
    """Learn from labelled frames.

    Parameters
    ----------
    errors : array, (N, K)
        Pixel errors of the ensemble; NaN = not labelled. At least `FEWEST_FRAMES` frames.
    evidence : of the same keypoints.
    """
    ratios = []
    for held_out in _folds(len(errors)):
        without = _fit_regressions(errors[~held_out], evidence[~held_out])
        expected = without.expected_error(evidence[held_out])
        ratios.append((errors[held_out] / expected).ravel())
    pooled = np.concatenate(ratios)
    low, high = _ends(pooled[np.isfinite(pooled)])
    return replace(_fit_regressions(errors, evidence), low=low, high=high)


def held_out_coverage(errors: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return which errors, (N, K), lie in the interval of a calibration that did not see their frame.

    Returns
    -------
    array, (N, K), float
        1 inside, 0 outside, NaN unknown.
    """
    inside = np.full(errors.shape, np.nan)
    for held_out in _folds(len(errors)):
        calibration = fit_calibration(errors[~held_out], evidence[~held_out])
        low, high = calibration.interval(calibration.expected_error(evidence[held_out]))
        own = errors[held_out]
        known = np.isfinite(own) & np.isfinite(high)
        inside[held_out] = np.where(known, (low <= own) & (own <= high), np.nan)
    return inside


def _folds(frames: int) -> list[np.ndarray]:
    """Return which frames are held out, in turn, shuffled so that no fold is one session."""
    fold = np.random.default_rng(SEED).permutation(frames) % FOLDS
    return [fold == own for own in range(FOLDS)]


def _ends(ratios: np.ndarray) -> tuple[float, float]:
    """Return the conformal quantiles, which allow for the finite number of ratios."""
    count = len(ratios)
    ordered = np.sort(ratios)
    # rounded: of 19 ratios, 20 * 0.95 is the 19th, and not by the error of floats the one after it
    outside = np.round((count + 1) * (1 - LEVEL) / 2, 9)
    low, high = int(np.floor(outside)) - 1, int(np.ceil(count + 1 - outside)) - 1
    return (0.0 if low < 0 else float(ordered[low])), float(ordered[min(high, count - 1)])


def _fit_regressions(errors: np.ndarray, evidence: Evidence) -> Calibration:
    from scipy.optimize import nnls

    known = np.isfinite(errors) & np.isfinite(evidence.deviation) & np.isfinite(evidence.confidence)
    errors, evidence = errors[known], evidence[known]
    of_signals = [
        _isotonic(signal[there], errors[there])
        for signal in evidence.signals
        for there in [np.isfinite(signal)]
    ]
    told, wanted = _logarithms(of_signals, evidence), np.log(np.maximum(errors, LEAST_PX))
    # what says nearly the same of all tells nothing: it would be given any weight
    centred = np.where(np.ptp(told, axis=0) > LEAST_SPREAD, told - told.mean(0), 0.0)
    weights = nnls(centred, wanted - wanted.mean())[0]
    if not weights.any():  # nothing tells of errors: all count alike
        weights = np.ones(len(of_signals))
    weights /= weights.sum()
    return Calibration(of_signals, weights, _isotonic(np.exp(told @ weights), errors))


def _isotonic(values: np.ndarray, errors: np.ndarray) -> Steps:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(values, errors)
    return np.asarray(fitted.X_thresholds_, float), np.asarray(fitted.y_thresholds_, float)


def _logarithms(of_signals: list[Steps], evidence: Evidence) -> np.ndarray:
    """Return the logarithm of what each signal says, (..., J)."""
    told = [_interpolate(steps, signal) for steps, signal in zip(of_signals, evidence.signals, strict=True)]
    told[2:] = [np.where(np.isfinite(own), own, told[0]) for own in told[2:]]
    return np.log(np.maximum(np.stack(told, axis=-1), LEAST_PX))


def _interpolate(steps: Steps, values: np.ndarray) -> np.ndarray:
    """Return the function's values; beyond what was seen, those at its ends; NaN for NaN."""
    return np.where(np.isfinite(values), np.interp(values, *steps), np.nan)
