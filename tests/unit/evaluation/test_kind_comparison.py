"""Differences between kinds against loops over plain floats; the interval holds what it should."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lightning_pose.evaluation.kind_comparison import SEED, kind_differences
from lightning_pose.evaluation.ood_input import Comparison

NAN = float("nan")


def make(kinds, errors):
    _, frames, keypoints = errors.shape
    return Comparison(
        "OOD", [f"img{n}.png" for n in range(frames)], [f"k{k}" for k in range(keypoints)], list(kinds),
        [str(m) for m in range(len(kinds))], errors, np.ones((frames, keypoints)),
    )  # fmt: skip


def random_errors(seed, kinds, frames=9, keypoints=3):
    rng = np.random.default_rng(seed)
    errors = rng.exponential(5, (len(kinds), frames, keypoints))
    errors[rng.random(errors.shape) < 0.3] = NAN
    return errors


def keypoint_differences(own, kind, versus):
    """Return a list of differences a frame, from the definition."""
    found = []
    for n in range(len(own.frames)):
        of_frame = []
        for k in range(len(own.keypoint_names)):
            means = []
            for wanted in (kind, versus):
                values = [float(own.errors[m, n, k]) for m, name in enumerate(own.kinds) if name == wanted]
                values = [value for value in values if math.isfinite(value)]
                means.append(math.fsum(values) / len(values) if values else NAN)
            if all(map(math.isfinite, means)):
                of_frame.append(means[0] - means[1])
        found.append(of_frame)
    return found


def interval_by_loops(frames, resamplings, rng):
    means = []
    for _ in range(resamplings):
        drawn = [value for n in rng.integers(len(frames), size=len(frames)) for value in frames[n]]
        if drawn:
            means.append(math.fsum(drawn) / len(drawn))
    means.sort()
    ends = []
    for quantile in (0.025, 0.975):
        place = quantile * (len(means) - 1)
        low = math.floor(place)
        high = min(low + 1, len(means) - 1)
        ends.append(means[low] + (place - low) * (means[high] - means[low]))
    return ends


@pytest.mark.parametrize("seed", range(6))
def test_everything_equals_the_loops(seed) -> None:
    kinds = ["single", "single", "pose", "pose", "other"]
    own = make(kinds, random_errors(seed, kinds))
    found = kind_differences(own, resamplings=100)
    assert [(d.kind, d.versus) for d in found] == [("pose", "single"), ("other", "single"), ("other", "pose")]
    for difference in found:
        frames = keypoint_differences(own, difference.kind, difference.versus)
        values = [value for of_frame in frames for value in of_frame]
        assert difference.mean == pytest.approx(math.fsum(values) / len(values))
        assert difference.frames == sum(map(bool, frames))
        ends = interval_by_loops(frames, 100, np.random.default_rng(SEED))  # draws the same frames
        np.testing.assert_allclose((difference.low, difference.high), ends, rtol=1e-9)


def test_keypoints_of_a_frame_are_resampled_together() -> None:
    rng = np.random.default_rng(0)
    of_frame = rng.normal(0, 3, (1, 40, 1))
    errors = np.concatenate([np.full((1, 40, 30), 10.0), 10 + np.repeat(of_frame, 30, axis=2)])
    (found,) = kind_differences(make(["a", "b"], errors))
    frame_error = of_frame.std() / math.sqrt(40)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(frame_error, rel=0.1)


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(1000, 1300):
        rng = np.random.default_rng(seed)
        errors = np.stack([np.full((60, 2), 10.0), np.repeat(rng.normal(10.7, 2, (60, 1)), 2, axis=1)])
        (found,) = kind_differences(make(["a", "b"], errors), resamplings=300)
        held += found.low <= 0.7 <= found.high
    assert 0.91 <= held / 300 <= 0.98


@pytest.mark.parametrize(("shift", "clear"), [(3.0, True), (0.0, False)])
def test_a_gain_is_clear_and_noise_is_not(shift, clear) -> None:
    rng = np.random.default_rng(4)
    errors = rng.exponential(5, (2, 50, 5))
    errors[1] += shift
    (found,) = kind_differences(make(["a", "b"], errors))
    assert found.is_clear == clear


def test_nothing_shared_one_frame_no_frame_and_one_kind() -> None:
    errors = np.ones((2, 3, 2))
    errors[0, :, 0], errors[1, :, 1] = NAN, NAN
    (apart,) = kind_differences(make(["a", "b"], errors))
    assert math.isnan(apart.mean) and math.isnan(apart.low) and apart.frames == 0 and not apart.is_clear
    (one,) = kind_differences(make(["a", "b"], np.array([[[1.0, 2.0]], [[3.0, 5.0]]])))
    assert (one.mean, one.frames) == (2.5, 1) and math.isnan(one.low) and math.isnan(one.high)
    (none,) = kind_differences(make(["a", "b"], np.ones((2, 0, 2))))
    assert math.isnan(none.mean) and none.frames == 0
    assert kind_differences(make(["a", "a"], np.ones((2, 3, 2)))) == []


def test_the_same_numbers_come_out_each_time_and_mirrored_for_the_other_order() -> None:
    kinds = ["a", "b"]
    own = make(kinds, random_errors(1, kinds))
    (first,), (again,) = kind_differences(own), kind_differences(own)
    assert first == again
    (mirrored,) = kind_differences(replace(own, errors=own.errors[::-1]))
    assert (mirrored.mean, mirrored.low) == pytest.approx((-first.mean, -first.high))
