"""Long trajectories are drawn with few points and lose no jump; nothing known is an empty panel."""

import numpy as np
import pytest
from PIL import Image

from lightning_pose.evaluation.trajectory_plot import draw_trajectories, stretches
from lightning_pose.types import Predictions


def test_each_stretch_has_its_least_and_largest_value() -> None:
    values = np.sin(np.arange(10_000) / 500)
    values[4321], values[777] = 9.0, -9.0
    values[5000:5100] = np.nan
    starts, low, high = stretches(np.arange(10_000.0), values, values, 1000)
    assert len(starts) == 1000 and starts[0] == 0 and np.nanmax(high) == 9 and np.nanmin(low) == -9
    np.testing.assert_array_equal(high[432], values[4320:4330].max())
    assert np.isnan(low[500:510]).all() and np.isnan(high[500:510]).all()
    few = stretches(np.arange(3.0), values[:3], values[:3] + 1, 1000)
    np.testing.assert_array_equal(few, [np.arange(3), values[:3], values[:3] + 1])
    assert [own.size for own in stretches(*[np.zeros(0)] * 3)] == [0, 0, 0]


@pytest.mark.parametrize("frames", [1, 3000])
def test_a_wide_band_does_not_flatten_the_trajectory(tmp_path, frames) -> None:
    rng = np.random.default_rng(0)
    keypoints_px = rng.normal(0, 1, (frames, 2, 2)).cumsum(0) + 300
    keypoints_px[:, 1] = np.nan
    upper_px = np.full((frames, 2), 2.0)
    upper_px[0] = 1e6
    predictions = Predictions(list(range(frames)), ["beak", "tail"], keypoints_px, np.ones((frames, 2)))
    draw_trajectories(predictions, upper_px, [tmp_path / "plot.pdf", tmp_path / "plot.png"])
    assert (tmp_path / "plot.pdf").stat().st_size < 200_000
    with Image.open(tmp_path / "plot.png") as picture:
        blue = np.all(np.abs(np.asarray(picture.convert("RGB")).astype(int) - [0, 114, 178]) < 60, axis=-1)
    if frames > 1:
        assert np.ptp(np.flatnonzero(blue.any(1))) > 30
