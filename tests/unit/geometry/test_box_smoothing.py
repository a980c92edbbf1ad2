"""A running median of boxes: steady, without a lag at the ends, and nothing where there was nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.geometry import box_smoothing
from lightning_pose.geometry.box_smoothing import running_median
from lightning_pose.geometry.box_track import BoxTracker
from lightning_pose.geometry.boxes import box_rule
from lightning_pose.settings import BoxSettings


def boxes_at(x):
    return np.column_stack([x, np.full(len(x), 7.0), np.full((len(x), 2), 40.0)])


def test_a_flicker_goes_and_the_rest_stays() -> None:
    x = np.full(9, 100.0)
    x[4] = 180
    np.testing.assert_array_equal(running_median(np.arange(9), boxes_at(x), 3), boxes_at(np.full(9, 100.0)))


@pytest.mark.parametrize("window", [1, 5, 99])
def test_steady_motion_has_no_lag_anywhere(window) -> None:
    boxes = boxes_at(3.0 * np.arange(20))
    boxes[7:10] = np.nan
    np.testing.assert_array_equal(running_median(np.arange(20), boxes, window), boxes)


def test_a_window_counts_frames_not_rows() -> None:
    x = np.array([0.0, 50, 0, 9, 0])
    found = running_median(np.array([0, 1, 2, 30, 31]), boxes_at(x), 5)
    np.testing.assert_array_equal(found[:, 0], [0, 0, 0, 9, 0])


@given(
    data=st.lists(st.tuples(*[st.integers(-50, 900)] * 2, *[st.integers(1, 300)] * 2), max_size=40),
    missing=st.sets(st.integers(0, 39)),
    half=st.integers(0, 6),
    at_once=st.sampled_from([1, 7, 1 << 16]),
)
def test_what_the_definition_says(data, missing, half, at_once) -> None:
    boxes = np.array(data, dtype=float).reshape(-1, 4)
    boxes[[row for row in missing if row < len(boxes)]] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_smoothing, "AT_ONCE", at_once)
        found = running_median(np.arange(len(boxes)), boxes, 2 * half + 1)
    for row, own in enumerate(boxes):
        before = [box for box in boxes[max(row - half, 0) : row] if box[2] > 0][::-1]
        behind = [box for box in boxes[row + 1 : row + half + 1] if box[2] > 0]
        count = min(len(before), len(behind))
        expected = own if np.isnan(own[0]) else np.median([own, *before[:count], *behind[:count]], axis=0)
        np.testing.assert_array_equal(found[row], expected)


def test_it_is_the_median_that_a_detectors_boxes_get() -> None:
    """Keypoints that are all seen alike, and no other filter: the same boxes."""
    rng = np.random.default_rng(0)
    corners = rng.integers(50, 90, (30, 2)).astype(float)
    keypoints = np.stack([corners, corners + 39], axis=1)
    settings = BoxSettings(window=7, max_speed=None, min_cutoff=None)
    rule = box_rule(["a", "b"], crop_size=40)

    def placed(settings):
        tracker = BoxTracker(rule, lambda: (400, 600), settings)
        boxes = [box for own in keypoints for box in tracker.add(own, np.ones(2))] + tracker.finish()
        return np.array([box.xywh_px for box in boxes])

    plain = placed(BoxSettings(window=1, max_speed=None, min_cutoff=None))
    np.testing.assert_array_equal(running_median(np.arange(30), plain, 7), placed(settings))
