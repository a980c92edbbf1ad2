"""How wrong a keypoint probably is: ensemble deviation and confidence turned into an expected pixel error.

Labelled frames teach it. Deviation and confidence are each mapped to an error by isotonic regression, and so
is the geometric mean of the two. The interval about it is split conformal: quantiles of error over expected
error on frames that the regression did not see, in turn. Frames, never single keypoints, are held out, since
those of a frame are wrong together. Axes: N frames, K keypoints; pixels are those of the filmed frame.

References
----------
Zadrozny & Elkan, KDD 2002: calibration by isotonic regression.
Lei et al., JASA 2018, sections 2.2 and 5.2: split conformal intervals, of locally weighted width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVEL = 0.9  # share of errors inside their intervals
FOLDS = 5
LEAST_PX = 0.05  # expected errors below mean nothing
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
    """

    deviation: np.ndarray
    confidence: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Evidence:
        """Return some of the frames."""
        return Evidence(self.deviation[rows], self.confidence[rows])


@dataclass(frozen=True)
class Calibration:
    """A calibrated error model.

    Parameters
    ----------
    of_deviation, of_confidence, of_both : steps of the three regressions
        From the deviation, from the confidence (negative), and from the geometric mean of what those two say.
    low, high : float
        Ends of the interval as multiples of the expected error.
    """

    of_deviation: Steps
    of_confidence: Steps
    of_both: Steps
    low: float
    high: float

    def expected_error(self, evidence: Evidence) -> np.ndarray:
        """Return the expected error, (N, K), pixels; NaN where the deviation is unknown."""
        both = _joined(self.of_deviation, self.of_confidence, evidence)
        return np.maximum(_interpolate(self.of_both, both), LEAST_PX)

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
        regressions = _fit_regressions(errors[~held_out], evidence[~held_out])
        expected = Calibration(*regressions, 0.0, 0.0).expected_error(evidence[held_out])
        ratios.append((errors[held_out] / expected).ravel())
    pooled = np.concatenate(ratios)
    return Calibration(*_fit_regressions(errors, evidence), *_ends(pooled[np.isfinite(pooled)]))


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
    outside, count = (1 - LEVEL) / 2, len(ratios)
    ordered = np.sort(ratios)
    low = int(np.floor((count + 1) * outside)) - 1
    high = int(np.ceil((count + 1) * (1 - outside))) - 1
    return (0.0 if low < 0 else float(ordered[low])), float(ordered[min(high, count - 1)])


def _fit_regressions(errors: np.ndarray, evidence: Evidence) -> tuple[Steps, Steps, Steps]:
    known = np.isfinite(errors) & np.isfinite(evidence.deviation) & np.isfinite(evidence.confidence)
    errors, evidence = errors[known], Evidence(evidence.deviation[known], evidence.confidence[known])
    of_deviation = _isotonic(evidence.deviation, errors)
    of_confidence = _isotonic(-evidence.confidence, errors)
    return of_deviation, of_confidence, _isotonic(_joined(of_deviation, of_confidence, evidence), errors)


def _isotonic(values: np.ndarray, errors: np.ndarray) -> Steps:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(values, errors)
    return np.asarray(fitted.X_thresholds_, float), np.asarray(fitted.y_thresholds_, float)


def _joined(of_deviation: Steps, of_confidence: Steps, evidence: Evidence) -> np.ndarray:
    both = [_interpolate(of_deviation, evidence.deviation), _interpolate(of_confidence, -evidence.confidence)]
    return np.sqrt(np.maximum(both[0], LEAST_PX) * np.maximum(both[1], LEAST_PX))


def _interpolate(steps: Steps, values: np.ndarray) -> np.ndarray:
    """Return the function's values; beyond what was seen, those at its ends; NaN for NaN."""
    return np.where(np.isfinite(values), np.interp(values, *steps), np.nan)
