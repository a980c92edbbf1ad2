"""How far the keypoints of one runtime lie from those of another, in pixels of the network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightning_pose.inference.runtimes.base import Found

CONFIDENT = 0.05  # keypoints below say nothing of where they are: boxes are not placed by them either
LARGEST_MEDIAN, LARGEST_P99 = 0.05, 0.5  # pixels


@dataclass(frozen=True)
class Parity:
    """Distances between keypoints that should be the same.

    Parameters
    ----------
    keypoints : how many were compared.
    median_px, p99_px, max_px : of their distances; NaN without any.
    max_confidence : the largest difference in confidence.
    """

    keypoints: int
    median_px: float
    p99_px: float
    max_px: float
    max_confidence: float

    @property
    def is_close(self) -> bool:
        """Whether one may stand for the other."""
        return self.median_px <= LARGEST_MEDIAN and self.p99_px <= LARGEST_P99


def compare(exact: Found, found: Found) -> Parity:
    """Compare keypoints_model_px (B, K, 2) and confidence (B, K) with exact ones.

    Only keypoints count of which the exact ones are confident; NaN among those is as far off as can be.
    """
    counts = exact[1] >= CONFIDENT
    distances = np.linalg.norm(found[0][counts] - exact[0][counts], axis=-1)
    if not distances.size:
        return Parity(0, np.nan, np.nan, np.nan, np.nan)
    distances = np.nan_to_num(distances, nan=np.inf)
    median, p99 = (float(np.percentile(distances, share, method="higher")) for share in (50, 99))
    difference = np.abs(found[1][counts] - exact[1][counts]).max()
    return Parity(len(distances), median, p99, float(distances.max()), float(difference))
