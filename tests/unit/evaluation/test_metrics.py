"""Errors anyone can compute by hand."""

import numpy as np

from lightning_pose.evaluation.metrics import pixel_error, summarize


def test_three_four_five():
    errors = pixel_error(np.array([[[3, 4], [np.nan, 1]]]), np.zeros((1, 2, 2)))
    np.testing.assert_array_equal(errors, [[5, np.nan]])


def test_summary():
    assert summarize(np.array([[1, 2], [3, np.nan]])) == {"n": 3, "mean": 2, "median": 2, "p90": 2.8}
    empty = summarize(np.array([np.nan]))
    assert empty["n"] == 0 and np.isnan(empty["mean"])
