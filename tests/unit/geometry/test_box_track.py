"""Boxes from frame to frame: steady, robust, and the same whether frames come one by one or all at once."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.geometry.box_track import BoxTracker, OneEuro
from lightning_pose.geometry.boxes import box_rule, boxes_from_keypoints
from lightning_pose.geometry.film_track import track_boxes
from lightning_pose.settings import BoxSettings

NAMES = ["a", "b", "c"]
SHAPE = np.array([[-20.0, 0], [20, 0], [0, 10]])


def frame_size():
    return 400, 600


PLAIN = BoxSettings(window=1, max_speed=None, min_cutoff=None)
RULE = box_rule(NAMES, crop_ratio=2.0)


def animal(centers):
    """Return keypoints (N, 3, 2) of an animal of 40 px at some centers (N, 2), and full confidence."""
    keypoints = np.asarray(centers, dtype=float)[:, None] + SHAPE
    return keypoints, np.ones(keypoints.shape[:2])


def centers_of(boxes):
    return boxes.xywh_px[:, :2] + boxes.xywh_px[:, 2:] / 2 - 0.5 - [0, 5]


def walk(frames, speed=2.0):
    return np.column_stack([100 + speed * np.arange(frames), np.full(frames, 200.0)])


points = st.one_of(st.none(), st.tuples(st.floats(0, 600), st.floats(0, 400)))
tracks = st.lists(points, min_size=1, max_size=40)
box_settings = st.builds(
    BoxSettings,
    window=st.sampled_from([1, 3, 5, 9]),
    max_speed=st.one_of(st.none(), st.floats(0.1, 3)),
    min_cutoff=st.one_of(st.none(), st.floats(0.01, 0.5)),
    beta=st.floats(0, 5),
)


def seen(track):
    keypoints, confidence = animal([place or (np.nan, np.nan) for place in track])
    confidence *= np.linspace(0.2, 1, len(track))[:, None]
    return keypoints, confidence


@given(tracks, box_settings)
@settings(deadline=None)
def test_frames_one_by_one_give_the_boxes_of_all_at_once(track, own) -> None:
    keypoints, confidence = seen(track)
    whole = track_boxes(keypoints, confidence, frame_size, RULE, own)
    tracker, boxes = BoxTracker(RULE, frame_size, own), []
    for number in range(len(track)):
        boxes += tracker.add(keypoints[number], confidence[number])
        assert len(boxes) == max(number + 1 - own.window // 2, 0)
    boxes += tracker.finish()
    np.testing.assert_array_equal([box.xywh_px for box in boxes], whole.xywh_px)
    assert [box.status for box in boxes] == whole.status


@given(tracks, tracks, box_settings)
@settings(deadline=None)
def test_a_box_depends_on_nothing_behind_its_look_ahead(track, other, own) -> None:
    one = track_boxes(*seen_as(track, len(track)), frame_size, RULE, own)
    both = track_boxes(*seen_as(track + other, len(track)), frame_size, RULE, own)
    finished = max(len(track) - own.window // 2, 0)
    np.testing.assert_array_equal(one.xywh_px[:finished], both.xywh_px[:finished])
    assert one.status[:finished] == both.status[:finished]


def seen_as(track, scale):
    keypoints, confidence = animal([place or (np.nan, np.nan) for place in track])
    return keypoints, confidence * np.minimum(np.arange(len(track)) + 1, scale)[:, None] / scale


@given(tracks, st.floats(1, 3))
@settings(deadline=None)
def test_without_smoothing_boxes_are_those_of_single_frames(track, ratio) -> None:
    rule = box_rule(NAMES, crop_ratio=ratio)
    keypoints, confidence = seen(track)
    found = track_boxes(keypoints, confidence, frame_size, rule, PLAIN)
    index = list(range(len(track)))
    single = boxes_from_keypoints(keypoints, confidence, index, lambda _: (400, 600), rule)
    for number, status in enumerate(single.status):
        if status == "detected":
            np.testing.assert_array_equal(found.xywh_px[number], single.xywh_px[number])
            assert found.status[number] == "detected"
            used = rule.usable(keypoints[number], confidence[number])
            assert found.confidence[number] == confidence[number][used].mean()
            continue
        assert np.isnan(found.confidence[number])
        if number:
            assert found.status[number] in ("carried", "fallback")


@given(tracks, box_settings)
@settings(deadline=None)
def test_boxes_are_squares_of_whole_pixels_among_what_was_seen(track, own) -> None:
    boxes = track_boxes(*seen(track), frame_size, RULE, own)
    assert np.isfinite(boxes.xywh_px).all()
    np.testing.assert_array_equal(boxes.xywh_px, np.round(boxes.xywh_px))
    np.testing.assert_array_equal(boxes.xywh_px[:, 2], boxes.xywh_px[:, 3])
    known = np.array([place for place in track if place]).reshape(-1, 2)
    followed = np.array(boxes.status) != "fallback"
    if followed.any():
        centers = centers_of(boxes)[followed]
        assert (centers >= known.min(0) - 1.5).all() and (centers <= known.max(0) + 1.5).all()


@pytest.mark.parametrize("speed", [0, 0.5, 4, 20])
def test_boxes_follow_a_walk_within_a_tenth_of_their_side(speed) -> None:
    places = walk(25, speed)
    boxes = track_boxes(*animal(places), frame_size, RULE, BoxSettings())
    assert np.abs(centers_of(boxes) - places).max() <= 8 + 1
    assert set(boxes.status) == {"detected"}


def test_smoothing_calms_a_trembling_detector() -> None:
    rng = np.random.default_rng(0)
    places = walk(200, 0.5)
    keypoints, confidence = animal(places + rng.normal(0, 4, places.shape))
    raw = track_boxes(keypoints, confidence, frame_size, RULE, PLAIN)
    calm = track_boxes(keypoints, confidence, frame_size, RULE, BoxSettings())
    trembling = [np.abs(np.diff(centers_of(boxes), axis=0)).mean() for boxes in (raw, calm)]
    assert trembling[1] < 0.3 * trembling[0]
    assert np.abs(centers_of(calm) - places).mean() < np.abs(centers_of(raw) - places).mean()


def test_flickering_to_another_place_does_not_move_the_box() -> None:
    places = walk(30)
    flicker = places.copy()
    flicker[[7, 8, 20]] = (500, 50)
    own = BoxSettings()
    still = track_boxes(*animal(places), frame_size, RULE, own)
    found = track_boxes(*animal(flicker), frame_size, RULE, own)
    assert np.abs(found.xywh_px - still.xywh_px).max() <= 3
    assert [number for number, status in enumerate(found.status) if status == "carried"] == [7, 8, 20]
    median_alone = track_boxes(*animal(flicker), frame_size, RULE, replace(own, max_speed=None))
    assert np.abs(median_alone.xywh_px - still.xywh_px).max() <= 6


@pytest.mark.parametrize("speed", [5.0, 10.0])
def test_boxes_beside_a_gap_do_not_lag(speed) -> None:
    places = walk(40, speed)
    keypoints, confidence = animal(places)
    confidence[15:25] = 0
    boxes = track_boxes(keypoints, confidence, frame_size, RULE, BoxSettings(min_cutoff=None))
    for frame in (13, 14, 25, 26):
        assert boxes.status[frame] == "detected"
        assert np.abs(centers_of(boxes)[frame] - places[frame]).max() < 2


def test_a_flicker_at_a_rare_look_is_not_spread_over_the_frames_beside_it() -> None:
    places = np.tile([200.0, 200.0], (41, 1))
    places[20] += 60
    tracker = BoxTracker(RULE, frame_size, BoxSettings(min_cutoff=None), 4)
    tracked = []
    for number, row in enumerate(zip(*animal(places), strict=True)):
        tracked += tracker.skip() if number % 4 else tracker.add(*row)
    xywh_px = np.array([box.xywh_px for box in tracked + tracker.finish()])
    assert np.ptp(xywh_px, axis=0).max() == 0


def test_a_doubtful_sighting_far_away_does_not_make_the_next_incredible() -> None:
    keypoints, confidence = animal(np.tile([200.0, 200.0], (12, 1)))
    keypoints[4] += 50  # within reach of an animal of 80 px
    confidence[4] = 0.2
    keypoints[5:] -= 40
    plain = BoxSettings(window=1, min_cutoff=None)
    assert track_boxes(keypoints, confidence, frame_size, RULE, plain).status[5] == "detected"
    confidence[4] = 0.6
    assert track_boxes(keypoints, confidence, frame_size, RULE, plain).status[5] == "carried"


def test_looks_that_may_become_rare_do_not_widen_the_window_while_they_are_dense() -> None:
    turning = np.column_stack([300 + 80 * np.sin(np.arange(60) / 3), 200 + 80 * np.cos(np.arange(60) / 3)])
    found = []
    for spacing in (1, 8):
        tracker = BoxTracker(RULE, frame_size, BoxSettings(), spacing)
        tracked = [box for row in zip(*animal(turning), strict=True) for box in tracker.add(*row)]
        found.append([box.xywh_px for box in tracked + tracker.finish()])
    np.testing.assert_array_equal(found[1], found[0])


def test_confidence_counts() -> None:
    keypoints, confidence = animal([[100, 100], [100, 100], [110, 100], [120, 100], [120, 100]])
    confidence[:2] = 0.1
    own = BoxSettings(window=5, min_cutoff=None)
    assert centers_of(track_boxes(keypoints, confidence, frame_size, RULE, own))[2, 0] == 120
    confidence[:2], confidence[3:] = 1, 0.1
    assert centers_of(track_boxes(keypoints, confidence, frame_size, RULE, own))[2, 0] == 100


def test_a_gap_is_bridged_and_marked() -> None:
    places = walk(30)
    keypoints, confidence = animal(places)
    keypoints[10:14] = np.nan
    boxes = track_boxes(keypoints, confidence, frame_size, RULE, BoxSettings())
    assert boxes.status == ["detected"] * 10 + ["carried"] * 4 + ["detected"] * 16
    assert np.abs(centers_of(boxes) - places).max() <= 8


def test_a_long_gap_keeps_the_last_box_and_the_animal_is_found_elsewhere() -> None:
    places = np.array([[100.0, 100]] * 5 + [[np.nan, np.nan]] * 20 + [[450, 300]] * 15)
    boxes = track_boxes(*animal(places), frame_size, RULE, BoxSettings())
    assert boxes.status[5:25] == ["carried"] * 20
    np.testing.assert_array_equal(boxes.xywh_px[12], boxes.xywh_px[4])
    assert np.abs(centers_of(boxes)[-1] - [450, 300]).max() <= 1.5


def test_before_the_animal_is_seen_the_frame_is_kept_whole(caplog) -> None:
    keypoints, confidence = animal(walk(20))
    confidence[:10] = 0
    with caplog.at_level(logging.WARNING):
        boxes = track_boxes(keypoints, confidence, frame_size, RULE, BoxSettings())
    assert boxes.status == ["fallback"] * 6 + ["carried"] * 4 + ["detected"] * 10
    assert boxes.xywh_px[0].tolist() == [0, -100, 600, 600]
    assert "6 of 20 frames" in caplog.text


def test_fixed_and_least_sizes() -> None:
    fixed = track_boxes(*animal(walk(20)), frame_size, box_rule(NAMES, crop_size=64), BoxSettings())
    assert (fixed.xywh_px[:, 2:] == 64).all()
    least = track_boxes(
        *animal(walk(20)), frame_size, box_rule(NAMES, crop_ratio=1, min_size=100), BoxSettings()
    )
    assert least.xywh_px[:, 2].min() >= 100 and least.xywh_px[:, 2].max() <= 102


def test_the_filter_rests_on_a_constant_and_lags_little_behind_speed() -> None:
    own = OneEuro(0.05, 4.0)
    for number in range(200):
        found = own(np.array([10.0 * number, 0, 100]))
    assert found[1:].tolist() == [0, 100]
    assert 0 < 10.0 * 199 - found[0] < 100 / (2 * np.pi * 4)  # as the cutoff says, in sides of 100 px
