"""Boxes that a detector places as frames pass: which frames it looks at after all, and what is believed."""

import numpy as np
import pytest

from lightning_pose.geometry.boxes import box_rule
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference import film_boxes, film_run
from lightning_pose.inference.film_boxes import DetectedBoxes
from lightning_pose.inference.film_run import predict_film
from lightning_pose.io.video_facts import probe_video
from lightning_pose.settings import BoxSettings
from tests.unit.inference.fakes import Fake, joined
from tests.unit.io.films import write_film

SHAPE = np.array([[-20.0, 0], [20, 0], [0, 10]])
FRAMES, BATCH = 64, 16


@pytest.fixture
def place(monkeypatch):
    """Return a maker of boxes from what a detector sees in each frame; "windows" are frame numbers."""
    monkeypatch.setattr(film_boxes, "sees_context", lambda _: False)

    def make(keypoints_px, confidence, every=4):
        rule, parts = box_rule(["a", "b", "c"], crop_ratio=2.0), FilmParts(FRAMES)
        settings = BoxSettings(detect_every=every)
        boxes = DetectedBoxes(None, rule, settings, lambda: (600, 900), parts, range(1), BATCH)
        monkeypatch.setattr(boxes, "_detect", lambda windows: (keypoints_px[windows], confidence[windows]))
        for batch in parts.batches(boxes.frames, BATCH):
            boxes.look(list(batch), batch)
        return boxes

    return make


def resting():
    keypoints_px = np.tile(SHAPE + 300, (FRAMES, 1, 1))
    return keypoints_px, np.ones((FRAMES, 3))


def test_frames_between_looks_that_saw_nothing_are_looked_at_when_the_pose_model_is_unsure(place) -> None:
    keypoints_px, confidence = resting()
    confidence[4:13] = 0
    boxes = place(keypoints_px, confidence)
    batch = boxes.take(range(BATCH))
    assert batch.status[4] == batch.status[8] == "carried"
    assert batch.status[5] == batch.status[9] == "interpolated"
    sure = np.ones((BATCH, 3))
    sure[4:13] = 0.1
    assert boxes.doubtful(batch, sure) == [5, 6, 7, 9, 10, 11]


@pytest.mark.parametrize(("distance", "status"), [(50, "detected"), (400, "interpolated")])
def test_what_is_seen_far_from_the_expected_box_is_not_believed(place, distance, status) -> None:
    keypoints_px, confidence = resting()
    keypoints_px[6] += [distance, 0]
    boxes = place(keypoints_px, confidence)
    batch = boxes.take(range(BATCH))
    again = boxes.look_again([6], batch, [6])
    assert again.status[6] == status
    moved = again.xywh_px[6] - batch.xywh_px[6]
    assert moved[0] == pytest.approx(distance if status == "detected" else 0, abs=1)


def test_what_is_seen_far_too_large_is_not_believed(place) -> None:
    keypoints_px, confidence = resting()
    keypoints_px[6] = 10 * SHAPE + 300
    boxes = place(keypoints_px, confidence)
    batch = boxes.take(range(BATCH))
    assert boxes.look_again([6], batch, [6]).status[6] == "interpolated"


class Unsure(Fake):
    """Is less sure in some frames of batches of `size` from `start` on, and when it sees them again."""

    def __init__(self, size, low, again, start=0):
        super().__init__(size, False)
        self.low, self.again, self.next = low, again, start

    def predict_batch(self, images, sizes):
        keypoints, confidence = super().predict_batch(images, sizes)
        if len(images) == self.settings.training.test_batch_size:
            confidence[
                [number - self.next for number in self.low if 0 <= number - self.next < len(images)]
            ] = 0.3
            self.next += len(images)
        else:
            confidence[:] = self.again
        return keypoints, confidence


@pytest.fixture
def facts(tmp_path, monkeypatch):
    monkeypatch.setattr(film_run, "FilmParts", lambda count: FilmParts(count, 16, 8))
    return probe_video(write_film(tmp_path / "film.mp4", 48))


@pytest.mark.parametrize(("again", "kept"), [(0.9, "detected"), (0.2, "interpolated")])
def test_of_two_boxes_the_one_is_kept_in_which_the_pose_model_is_surer(facts, again, kept) -> None:
    model = joined(Fake(8, False, 4.0), Unsure(8, [5, 6], again), detect_every=4)
    found, boxes = predict_film(model.film(facts))
    assert [boxes.status[row] for row in (5, 6)] == [kept, kept]
    assert found.confidence[5].mean() == pytest.approx(max(again, 0.3))


def test_doubt_does_not_outlive_a_part(facts) -> None:
    """In the last part nothing was seen to compare with, so that how sure other parts were must not count."""

    class Blind(Fake):
        def predict_batch(self, images, sizes):
            keypoints, confidence = super().predict_batch(images, sizes)
            number = np.median(images, (1, 2, 3)).astype(int) - 20
            confidence[(number >= 26) & (number <= 36)] = 0
            return keypoints, confidence

    def model(start):
        return joined(Blind(8, False, 4.0), Unsure(8, [37, 38, 39], 0.9, start), detect_every=4)

    whole, boxes = predict_film(model(0).film(facts))
    found, placed = predict_film(model(32).film(facts, range(32, 48)))
    np.testing.assert_array_equal(found.keypoints_px, whole.keypoints_px[32:])
    np.testing.assert_array_equal(placed.xywh_px, boxes.xywh_px[32:])
    assert placed.status == boxes.status[32:]
