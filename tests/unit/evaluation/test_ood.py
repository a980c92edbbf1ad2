"""The vectorised statistics against loops over plain floats, written from their definitions."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lightning_pose.evaluation.ood import (
    auroc,
    default_thresholds,
    ensemble_standard_deviation,
    error_curve,
    paired,
    spearman,
)

NAN = float("nan")


def spread_by_loops(keypoints):
    members, frames, count, _ = keypoints.shape
    result = [[NAN] * count for _ in range(frames)]
    for n, k in product(range(frames), range(count)):
        points = [tuple(map(float, keypoints[m, n, k])) for m in range(members)]
        points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        if len(points) < 2:
            continue
        deviations = []
        for axis in (0, 1):
            mean = math.fsum(point[axis] for point in points) / len(points)
            variance = math.fsum((point[axis] - mean) ** 2 for point in points) / len(points)
            deviations.append(math.sqrt(variance))
        result[n][k] = (deviations[0] + deviations[1]) / 2
    return result


def pairs_by_loops(errors, deviation):
    members, frames, count = errors.shape
    return [
        (float(errors[m, n, k]), float(deviation[n, k]))
        for m, n, k in product(range(members), range(frames), range(count))
        if math.isfinite(errors[m, n, k]) and math.isfinite(deviation[n, k])
    ]


def curve_by_loops(errors, deviation, threshold):
    pairs = pairs_by_loops(errors, deviation)
    above = [error for error, spread in pairs if spread > threshold]
    mean = math.fsum(above) / len(above) if above else NAN
    standard_error = NAN
    by_frame = [pairs_by_loops(errors[:, [n]], deviation[[n]]) for n in range(len(deviation))]
    rests = [[error - mean for error, spread in own if spread > threshold] for own in by_frame]
    rests = [math.fsum(own) for own in rests if own]
    if len(rests) > 1:
        variance = math.fsum(rest**2 for rest in rests) / (len(rests) - 1) * len(rests)
        standard_error = math.sqrt(variance) / len(above)
    return mean, standard_error, len(above) / max(len(pairs), 1), len(above)


def ranks_by_loops(values):
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def spearman_by_loops(errors, deviation):
    pairs = pairs_by_loops(errors, deviation)
    ranks = [ranks_by_loops(column) for column in zip(*pairs, strict=True)] if pairs else [[], []]
    middle = (len(pairs) + 1) / 2
    product_sum = sum((a - middle) * (b - middle) for a, b in zip(*ranks, strict=True))
    squares = [sum((rank - middle) ** 2 for rank in own) for own in ranks]
    return product_sum / math.sqrt(squares[0] * squares[1]) if min(squares) > 0 else NAN


def auroc_by_loops(errors, deviation, limit):
    pairs = pairs_by_loops(errors, deviation)
    wrong = [spread for error, spread in pairs if error > limit]
    right = [spread for error, spread in pairs if error <= limit]
    if not wrong or not right:
        return NAN
    wins = sum((a > b) + 0.5 * (a == b) for a in wrong for b in right)
    return wins / (len(wrong) * len(right))


def random_case(seed, ties):
    """Return keypoints (M, N, K, 2) and errors (M, N, K) with NaNs in both."""
    rng = np.random.default_rng(seed)
    members, frames, count = rng.integers(1, 5), rng.integers(1, 7), rng.integers(1, 5)
    keypoints = rng.normal(300, 20, (members, frames, count, 2))
    errors = rng.exponential(5, (members, frames, count))
    if ties:
        keypoints, errors = keypoints.round(-1), errors.round()
    keypoints[rng.random(keypoints.shape) < 0.15] = NAN
    errors[rng.random(errors.shape) < 0.15] = NAN
    return keypoints, errors


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_everything_equals_the_loops(seed, ties) -> None:
    keypoints, errors = random_case(seed, ties)
    deviation = ensemble_standard_deviation(keypoints)
    np.testing.assert_allclose(deviation, spread_by_loops(keypoints), rtol=1e-12, atol=1e-12)
    thresholds = np.array([0.0, 0.5, 3.0, 7.5, 10.0, 1e4])
    curve = error_curve(errors, deviation, thresholds)
    own = zip(curve.mean, curve.standard_error, curve.share, curve.count, strict=True)
    expected = [curve_by_loops(errors, deviation, threshold) for threshold in thresholds]
    np.testing.assert_allclose(list(own), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(spearman(errors, deviation), spearman_by_loops(errors, deviation), atol=1e-12)
    for limit in (1.0, 5.0, 10.0):
        own, brute = auroc(errors, deviation, limit), auroc_by_loops(errors, deviation, limit)
        np.testing.assert_allclose(own, brute, atol=1e-12)


def test_the_loops_were_not_spared_nans_and_ties() -> None:
    cases = [random_case(seed, True) for seed in range(12)]
    assert any(len(keypoints) == 1 for keypoints, _ in cases)
    assert all(np.isnan(keypoints).any() or np.isnan(errors).any() for keypoints, errors in cases)
    spreads = [ensemble_standard_deviation(keypoints) for keypoints, _ in cases]
    assert any(len(np.unique(own[own == own])) < np.isfinite(own).sum() for own in spreads)


def test_deviation_of_two_members_is_half_their_distance_on_each_axis() -> None:
    keypoints = np.array([[[[0.0, 0.0]]], [[[6.0, 2.0]]]])
    assert ensemble_standard_deviation(keypoints).item() == 2.0  # (3 + 1) / 2


@pytest.mark.parametrize(
    "keypoints",
    [
        [[1.0, 2.0]],
        [[1.0, 2.0], [NAN, 3.0]],
        [[1.0, 2.0], [3.0, NAN], [NAN, NAN]],
        [[NAN, NAN], [NAN, NAN]],
        [[1.0, 2.0], [np.inf, 3.0]],
    ],
)
def test_one_prediction_has_no_deviation(keypoints) -> None:
    assert np.isnan(ensemble_standard_deviation(np.array(keypoints)[:, None, None])).all()


def test_a_member_without_a_prediction_is_left_out() -> None:
    keypoints = np.array([[0.0, 0.0], [NAN, 5.0], [4.0, 8.0]])[:, None, None]
    assert ensemble_standard_deviation(keypoints).item() == 3.0  # (2 + 4) / 2


def test_only_what_lies_above_the_threshold_counts() -> None:
    errors, deviation = np.array([[[1.0], [2.0], [6.0]]]), np.array([[1.0], [2.0], [3.0]])
    curve = error_curve(errors, deviation, np.array([0.0, 1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(curve.count, [3, 2, 1, 0])
    np.testing.assert_allclose(curve.mean, [3, 4, 6, NAN])
    np.testing.assert_allclose(curve.share, [1, 2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(curve.standard_error, [math.sqrt(7 / 3), 2, NAN, NAN])


def test_the_standard_error_is_how_far_the_mean_strays_from_one_draw_of_frames_to_the_next() -> None:
    rng = np.random.default_rng(0)

    def curve():
        of_frame = rng.lognormal(0, 1, (40, 1))  # what all keypoints and members of a frame share
        errors = of_frame * rng.lognormal(0, 0.3, (3, 40, 10))
        errors[rng.random(errors.shape) < 0.2] = NAN
        return error_curve(errors, of_frame * rng.lognormal(0, 0.3, (40, 10)), np.array([0.1, 1.0]))

    drawn = [curve() for _ in range(400)]
    strays = np.std([own.mean for own in drawn], axis=0)
    told = np.sqrt(np.mean([own.standard_error**2 for own in drawn], axis=0))
    np.testing.assert_allclose(told, strays, rtol=0.15)


def test_every_member_has_its_own_error_and_shares_the_deviation() -> None:
    errors, deviation = np.array([[[1.0]], [[3.0]], [[NAN]]]), np.array([[2.0]])
    curve = error_curve(errors, deviation, np.array([1.0]))
    assert (curve.mean.item(), curve.count.item()) == (2.0, 2)
    np.testing.assert_array_equal(paired(errors, deviation), [[1, 3], [2, 2]])


@pytest.mark.parametrize("shape", [(1, 3, 2), (2, 0, 2)])
def test_without_a_deviation_nothing_is_left(shape) -> None:
    errors, deviation = np.ones(shape), np.full(shape[1:], NAN)
    curve = error_curve(errors, deviation, default_thresholds(deviation))
    assert (curve.count == 0).all() and (curve.share == 0).all() and np.isnan(curve.mean).all()
    assert np.isnan(spearman(errors, deviation)) and np.isnan(auroc(errors, deviation, 5))


@pytest.mark.parametrize(("order", "expected"), [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], -1.0)])
def test_a_monotonous_relation_is_perfect(order, expected) -> None:
    errors, deviation = np.array([[[0.1, 1, 9, 80]]]), np.array([order], float)
    assert spearman(errors, deviation) == pytest.approx(expected)
    assert auroc(errors, deviation, 5) == (expected + 1) / 2


@pytest.mark.parametrize(
    ("errors", "deviation"),
    [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 1, 1]), ([1, NAN, 2], [3, 4, NAN]), ([1], [1])],
)
def test_no_rank_correlation_where_one_side_does_not_vary(errors, deviation) -> None:
    assert math.isnan(spearman(np.array([[errors]], float), np.array([deviation], float)))


@pytest.mark.parametrize(("limit", "expected"), [(5.0, 0.5), (0.5, NAN), (6.0, NAN)])
def test_auroc_ties_count_half_and_one_side_alone_is_undefined(limit, expected) -> None:
    errors, deviation = np.array([[[1.0, 5.0, 6.0]]]), np.array([[2.0, 2.0, 2.0]])
    np.testing.assert_equal(auroc(errors, deviation, limit), expected)


def test_thresholds_run_from_below_the_smallest_deviation_to_where_two_percent_are_left() -> None:
    deviation = np.append(np.arange(1.0, 102.0), NAN)
    thresholds = default_thresholds(deviation, 25)
    assert thresholds.shape == (25,) and (np.diff(thresholds) > 0).all()
    assert thresholds[0] < 1
    assert thresholds[-1] == pytest.approx(99)
    curve = error_curve(np.ones((1, 102, 1)), deviation[:, None], thresholds)
    assert (curve.count[0], curve.count[-1]) == (101, pytest.approx(2, abs=1))


@pytest.mark.parametrize("deviation", [[NAN, NAN], [0.0, 0.0], [3.0, 3.0], [0.0, 5.0]])
def test_thresholds_ascend_from_any_deviations(deviation) -> None:
    thresholds = default_thresholds(np.array(deviation))
    assert np.isfinite(thresholds).all() and (np.diff(thresholds) > 0).all()


coordinate = st.one_of(st.just(NAN), st.floats(-1000, 2000, width=32), st.sampled_from([0.0, 1.0, 640.0]))
shapes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4))


@st.composite
def cases(draw):
    """Draw keypoints (M, N, K, 2) and labels (N, K, 2)."""
    shape = draw(shapes)
    keypoints = draw(hnp.arrays(float, (*shape, 2), elements=coordinate))
    return keypoints, draw(hnp.arrays(float, (*shape[1:], 2), elements=coordinate))


def numbers(keypoints, labels, unit=1.0):
    """Return every statistic that is free of units, and those in pixels divided by the unit."""
    errors = np.linalg.norm(keypoints - labels, axis=-1)
    deviation = ensemble_standard_deviation(keypoints)
    curve = error_curve(errors, deviation, unit * np.array([0.3, 40.1, 300.7]))
    ranks = [spearman(errors, deviation), auroc(errors, deviation, unit * 5.3)]
    return np.array([*curve.mean / unit, *curve.standard_error / unit, *curve.share, *curve.count, *ranks])


def all_but_ranks(keypoints, labels):
    """Leave out the ranks, which a last bit decides between deviations that are equal but for rounding."""
    return numbers(keypoints, labels)[:-2]


@settings(deadline=None, max_examples=60)
@given(cases(), st.randoms(use_true_random=False))
def test_order_of_members_frames_and_keypoints_does_not_matter(case, random) -> None:
    keypoints, labels = case
    orders = [random.sample(range(size), size) for size in keypoints.shape[:3]]
    mixed = keypoints[np.ix_(*orders)]
    np.testing.assert_allclose(
        ensemble_standard_deviation(mixed),
        ensemble_standard_deviation(keypoints)[np.ix_(*orders[1:])],
        rtol=1e-9,
        atol=1e-9,
    )
    own, other = all_but_ranks(keypoints, labels), all_but_ranks(mixed, labels[np.ix_(*orders[1:])])
    np.testing.assert_allclose(own, other, rtol=1e-6, atol=1e-3)  # px


@settings(deadline=None, max_examples=60)
@given(cases(), st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_frames_and_keypoints(case, random) -> None:
    keypoints, labels = case
    frames, columns = (random.sample(range(size), size) for size in keypoints.shape[1:3])
    mixed = numbers(keypoints[:, frames][:, :, columns], labels[frames][:, columns])
    np.testing.assert_allclose(mixed[-2:], numbers(keypoints, labels)[-2:], atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(cases())
def test_twice_the_size_doubles_errors_and_deviation(case) -> None:
    keypoints, labels = case
    np.testing.assert_array_equal(
        ensemble_standard_deviation(2 * keypoints), 2 * ensemble_standard_deviation(keypoints)
    )
    np.testing.assert_array_equal(numbers(2 * keypoints, 2 * labels, unit=2.0), numbers(keypoints, labels))


@settings(deadline=None, max_examples=60)
@given(cases(), st.integers(-500, 500))
def test_moving_everything_changes_no_deviation(case, shift) -> None:
    keypoints, _ = case
    moved = ensemble_standard_deviation(keypoints + shift)
    np.testing.assert_allclose(moved, ensemble_standard_deviation(keypoints), atol=1e-9)
