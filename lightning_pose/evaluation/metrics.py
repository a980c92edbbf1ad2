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
