"""Errors of predictions against labels."""

from __future__ import annotations

import numpy as np


def pixel_error(predicted_px: np.ndarray, labelled_px: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of each keypoint.

    Parameters
    ----------
    predicted_px, labelled_px : arrays, (..., K, 2)
        In the same pixels; NaN = not predicted or not labelled.

    Returns
    -------
    array, (..., K)
        NaN where either is NaN.
    """
    return np.linalg.norm(np.asarray(predicted_px, float) - np.asarray(labelled_px, float), axis=-1)


def summarize(errors: np.ndarray) -> dict[str, float]:
    """Return ``n``, ``mean``, ``median`` and ``p90`` of the errors that are not NaN.

    Parameters
    ----------
    errors : array of any shape, pixels
        NaN = not labelled or not predicted.

    Returns
    -------
    dict
        With n = 0 the others are NaN.
    """
    known = np.asarray(errors, float)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return {"n": 0, "mean": np.nan, "median": np.nan, "p90": np.nan}
    return {
        "n": int(known.size),
        "mean": float(known.mean()),
        "median": float(np.median(known)),
        "p90": float(np.percentile(known, 90)),
    }
