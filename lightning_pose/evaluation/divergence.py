"""Which members of an ensemble found nothing: a training that diverged spoils the standard deviation of all.

Axes: N frames, K keypoints. Everything is in frame pixels.
"""

from __future__ import annotations

import numpy as np

from lightning_pose.evaluation.metrics import pixel_error

LEAST_SHARE = 0.5  # of the labelled keypoints that a member has to predict
LEAST_FRAMES = 5  # with a label, for a guess that means anything


def divergence(keypoints_px: np.ndarray, labelled_px: np.ndarray) -> str:
    """Return why a member's predictions are of no use, nothing if they are of some.

    Parameters
    ----------
    keypoints_px, labelled_px : arrays, (N, K, 2)
        NaN = not predicted or not labelled.
    """
    guess = guess_error(labelled_px)
    errors = pixel_error(keypoints_px, labelled_px)
    labelled = np.isfinite(labelled_px).all(-1)
    predicted = np.isfinite(keypoints_px).all(-1) & labelled
    if labelled.any() and predicted.sum() < LEAST_SHARE * labelled.sum():
        return f"it predicts {predicted.sum()} of {labelled.sum()} labelled keypoints"
    both = predicted & np.isfinite(guess)
    if not both.any():
        return ""
    own, chance = np.median(errors[both]), np.median(guess[both])
    if own <= chance:
        return ""
    return f"median error {own:.4g} px; {chance:.4g} px for always guessing each keypoint's mean place"


def guess_error(labelled_px: np.ndarray) -> np.ndarray:
    """Return the error of guessing each keypoint's mean place in the other frames, (N, K).

    NaN where it is not labelled, or in fewer than `LEAST_FRAMES` frames.
    """
    labelled = np.isfinite(labelled_px).all(-1, keepdims=True)
    count = labelled.sum(0)
    total = np.where(labelled, labelled_px, 0.0).sum(0)
    others = (total - labelled_px) / np.maximum(count - 1, 1)
    return np.where(count[..., 0] >= LEAST_FRAMES, pixel_error(others, labelled_px), np.nan)
