"""Comparisons of made-up members."""

import numpy as np
import pytest

from lightning_pose.evaluation.ood import ensemble_standard_deviation
from lightning_pose.evaluation.ood_input import Comparison


@pytest.fixture(scope="session")
def comparison():
    """Return a maker of comparisons: members of each kind, errors that grow with the deviation."""

    def make(name="OOD", kinds=("single", "single", "pose", "pose"), frames=7, keypoints=3, known=0.9):
        rng = np.random.default_rng(len(kinds) + (name == "InD"))
        scale = rng.uniform(0.5, 30, (frames, keypoints, 1))
        offsets = rng.normal(0, 1, (len(kinds), frames, keypoints, 2)) * scale
        offsets[rng.random(offsets.shape[:-1]) > known] = np.nan
        return Comparison(
            name=name,
            frames=[f"session/img{i:02d}.png" for i in range(frames)],
            keypoint_names=[f"keypoint {k}" for k in range(keypoints)],
            kinds=list(kinds),
            seeds=[str(kinds[:m].count(kind)) for m, kind in enumerate(kinds)],
            errors=np.linalg.norm(offsets, axis=-1),
            deviation=ensemble_standard_deviation(offsets),
        )

    return make
