"""Boxes around the animal."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.geometry.boxes import box_rule, boxes_from_keypoints
from lightning_pose.types import UserError


def place(points, confidence=None, **settings):
    points = np.array(points, dtype=float)
    names = [f"k{i}" for i in range(len(points))]
    confidence = np.ones(len(points)) if confidence is None else np.array(confidence)
    settings = settings if settings.keys() & {"crop_ratio", "crop_size"} else {"crop_ratio": 2.0, **settings}
    rule = box_rule(names, **settings)
    boxes = boxes_from_keypoints(points[None], confidence[None], ["a.jpg"], lambda row: (768, 1024), rule)
    return boxes.xywh_px[0].tolist(), boxes.status[0]


TRIANGLE = [(100, 200), (140, 200), (120, 220)]


def test_the_box_is_square_and_centred() -> None:
    (x, y, w, h), status = place(TRIANGLE)  # span 40, so 80 px around (120, 210)
    assert status == "detected"
    assert w == h == pytest.approx(81, abs=1)
    assert (x + w / 2 - 0.5, y + h / 2 - 0.5) == pytest.approx((120, 210), abs=1)


def test_a_fixed_size_is_kept() -> None:
    assert place(TRIANGLE, crop_size=64)[0][2:] == [64, 64]


@given(st.lists(st.tuples(st.floats(-50, 1100), st.floats(-50, 800)), min_size=2, max_size=4),
       st.floats(1, 3))  # fmt: skip
def test_whole_pixels_hold_what_the_ratio_asks_for(points, ratio) -> None:
    (x, y, w, h), _ = place(points, crop_ratio=ratio)
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    assert w == h >= 8
    assert all(float(value).is_integer() for value in (x, y, w, h))
    assert (low >= np.array([x, y]) - 0.5 - 1e-6).all()
    assert (high <= np.array([x + w, y + h]) - 0.5 + 1e-6).all()
    wanted = max(ratio * (high - low).max(), 8)
    assert wanted - 1e-6 <= w <= wanted + 2 + 1e-6


def test_a_small_animal_gets_at_least_eight_pixels() -> None:
    (_, _, w, h), status = place([(50, 50), (50, 50)])
    assert 8 <= w == h <= 10 and status == "detected"


def bird(n: int = 18) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([500 + 40 * np.cos(angle), 300 + 30 * np.sin(angle)], -1)


def test_one_or_two_strays_do_not_move_the_box() -> None:
    clean = place(bird()[2:])[0]
    astray = bird()
    astray[0], astray[1] = (5, 5), (1000, 700)
    assert place(astray)[0] == clean


def test_doubtful_and_missing_keypoints_are_not_looked_at() -> None:
    points = [*TRIANGLE, (900, 900), (np.nan, np.nan)]
    assert place(points, [1, 1, 1, 0.01, 1])[0] == place(TRIANGLE)[0]


def test_anchors_define_the_box() -> None:
    points = [*TRIANGLE, (130, 700)]
    assert place(points, anchor_keypoints=["k0", "k1", "k2"])[0] == place(TRIANGLE)[0]


@pytest.mark.parametrize("confidence", [[0, 0, 0], [1, 0, 0], [0.04, 0.04, 1]])
def test_an_unseen_animal_keeps_the_whole_frame_and_says_so(confidence, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        box, status = place(TRIANGLE, confidence)
    assert (box, status) == ([0, -128, 1024, 1024], "fallback")
    assert "1 of 1 frames" in caplog.text and "a.jpg" in caplog.text


def test_all_keypoints_nan_is_unseen() -> None:
    assert place(np.full((3, 2), np.nan))[1] == "fallback"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_ratio": 0}, "crop_ratio: expected a number above 0"),
        ({"crop_ratio": -1.5}, "crop_ratio: expected a number above 0"),
        ({"crop_ratio": float("nan")}, "crop_ratio: expected a number above 0"),
        ({"crop_ratio": float("inf")}, "crop_ratio: expected a number above 0"),
        ({"crop_size": 0}, "crop_size: expected a number above 0"),
        ({"crop_ratio": 2, "crop_size": 64}, "found both"),
        ({"crop_ratio": None}, "found none"),
        ({"anchor_keypoints": ["k7"]}, "nearest: k"),
        ({"anchor_keypoints": ["k0"]}, "at least 2 with crop_ratio"),
        ({"min_confidence": 95}, "min_confidence: expected a number from 0 to 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message) -> None:
    with pytest.raises(UserError, match=message):
        place(TRIANGLE, **settings)
