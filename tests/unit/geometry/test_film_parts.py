"""Parts of a film: they cover it, their batches do too, and each part's boxes are those of the whole film."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.geometry.box_track import BoxTracker
from lightning_pose.geometry.boxes import box_rule
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.geometry.film_track import FilmTracker, track_boxes
from lightning_pose.settings import BoxSettings

RULE = box_rule(["a", "b"], crop_ratio=2.0)
cuts = st.builds(FilmParts, st.integers(1, 90), st.integers(12, 40), st.integers(1, 11))


def frame_size():
    return 400, 600


@given(cuts, st.integers(1, 50))
def test_batches_cover_a_film_and_cross_no_border(parts, size) -> None:
    film = range(parts.count)
    assert [number for part in range(len(parts)) for number in parts.frames(range(part, part + 1))] == list(
        film
    )
    batches = list(parts.batches(film, size))
    assert [number for batch in batches for number in batch] == list(film)
    assert max(len(batch) for batch in batches) <= size
    for batch in batches:
        assert {parts.segment_start(number) for number in batch} == {parts.segment_start(batch.start)}
        assert all(parts.batch_at(number, size) == batch for number in batch)
    starts = {batch.start for batch in batches}
    for part in range(len(parts)):
        assert {parts.frames(range(part, part + 1)).start, parts.warm_up_start(part)} <= starts


@given(cuts, st.data())
def test_the_parts_that_touch_a_stretch_hold_it(parts, data) -> None:
    start = data.draw(st.integers(0, parts.count - 1))
    stop = data.draw(st.integers(start + 1, parts.count))
    frames = parts.frames(parts.touching(range(start, stop)))
    assert frames.start <= start and stop <= frames.stop
    assert start - frames.start < parts.part_frames and frames.stop - stop < parts.part_frames


@given(cuts, st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 9]), st.integers(1, 5), st.data())
@settings(deadline=None)
def test_each_part_gets_the_boxes_of_the_whole_film(parts, seed, window, every, data) -> None:
    rng = np.random.default_rng(seed)
    places = np.cumsum(rng.normal(0, 6, (parts.count, 1, 2)), axis=0) + 200
    keypoints = places + [[-20, 0], [20, 0]] + rng.normal(0, 2, (parts.count, 2, 2))
    confidence = np.where(rng.random((parts.count, 1)) < 0.8, 1.0, 0.0) * np.ones(2)
    own = BoxSettings(window=window)

    def boxes_of(chosen):
        tracker, found = FilmTracker(lambda: BoxTracker(RULE, frame_size, own, every), parts, chosen), []
        for number in tracker.frames:
            looks = (number - parts.segment_start(number)) % every == 0
            found += tracker.add((keypoints[number], confidence[number]) if looks else None)
            last = min(parts.frames(chosen).stop, number - tracker.reach + 1)
            if number + 1 < parts.count:
                assert parts.frames(chosen).start + len(found) == max(last, parts.frames(chosen).start)
        return found

    whole = boxes_of(range(len(parts)))
    first = data.draw(st.integers(0, len(parts) - 1))
    chosen = range(first, data.draw(st.integers(first + 1, len(parts))))
    frames = parts.frames(chosen)
    some = boxes_of(chosen)
    assert len(whole) == parts.count and len(some) == len(frames)
    for box, expected in zip(some, whole[frames.start : frames.stop], strict=True):
        np.testing.assert_array_equal(box.xywh_px, expected.xywh_px)
        assert box.status == expected.status
    if every == 1:
        boxes = track_boxes(keypoints, confidence, frame_size, RULE, own, parts)
        np.testing.assert_array_equal(boxes.xywh_px, [box.xywh_px for box in whole])


def test_the_border_of_two_parts_is_not_to_be_seen() -> None:
    rng = np.random.default_rng(0)
    places = np.cumsum(rng.normal(0, 4, (400, 1, 2)), axis=0) + 200
    keypoints, confidence = places + [[-20, 0], [20, 0]], np.ones((400, 2))
    cut, whole = (
        track_boxes(keypoints, confidence, frame_size, RULE, BoxSettings(), FilmParts(400, length))
        for length in (100, 400)
    )
    np.testing.assert_array_equal(cut.xywh_px, whole.xywh_px)


def test_a_box_is_carried_for_a_while_only() -> None:
    keypoints, confidence = np.tile([[[180.0, 200], [220, 200]]], (200, 1, 1)), np.ones((200, 2))
    confidence[20:] = 0
    boxes = track_boxes(keypoints, confidence, frame_size, RULE, BoxSettings())
    followed = 20 + BoxSettings().window // 2 + 64
    assert boxes.status == ["detected"] * 20 + ["carried"] * (followed - 20) + ["fallback"] * (200 - followed)


def test_frames_that_the_detector_skipped_lie_between_the_others() -> None:
    places = np.column_stack([100 + 3.0 * np.arange(41), np.full(41, 200.0)])[:, None]
    keypoints, confidence = places + [[-20, 0], [20, 0]], np.ones((41, 2))
    parts, own = FilmParts(41), BoxSettings(min_cutoff=None, window=1)
    tracker, found = FilmTracker(lambda: BoxTracker(RULE, frame_size, own, 4), parts, range(1)), []
    for number in range(41):
        found += tracker.add((keypoints[number], confidence[number]) if number % 4 == 0 else None)
    assert [box.status for box in found] == ["detected", *["interpolated"] * 3] * 10 + ["detected"]
    centers = np.array([box.xywh_px[0] + box.xywh_px[2] / 2 - 0.5 for box in found])
    assert np.abs(centers - places[:, 0, 0]).max() <= 1.5
