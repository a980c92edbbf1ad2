"""Risk and coverage against loops over plain floats."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.evaluation.risk_coverage import COVERAGES, risk_curve

NAN = float("nan")


def risk_by_loops(errors, deviation, coverage):
    """Average over all orders of equal deviations: each of a tied group counts by the share that is kept."""
    pairs = [
        (float(deviation[n, k]), float(error))
        for (_, n, k), error in np.ndenumerate(errors)
        if math.isfinite(error) and math.isfinite(deviation[n, k])
    ]
    if not pairs:
        return NAN, 0
    kept = math.ceil(round(coverage * len(pairs), 9))
    total, taken = 0.0, 0
    for spread in sorted({spread for spread, _ in pairs}):
        group = [error for own, error in pairs if own == spread]
        room = min(len(group), kept - taken)
        total += math.fsum(group) * room / len(group)
        taken += room
    return total / kept, kept


def random_case(seed, ties):
    rng = np.random.default_rng(seed)
    errors = rng.exponential(5, (rng.integers(1, 5), rng.integers(1, 9), rng.integers(1, 5)))
    deviation = rng.exponential(3, errors.shape[1:])
    errors[rng.random(errors.shape) < 0.2] = NAN
    deviation[rng.random(deviation.shape) < 0.2] = NAN
    return errors, deviation.round() if ties else deviation


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_everything_equals_the_loops(seed, ties) -> None:
    errors, deviation = random_case(seed, ties)
    curve = risk_curve(errors, deviation)
    expected = [risk_by_loops(errors, deviation, coverage) for coverage in COVERAGES]
    np.testing.assert_allclose(list(zip(curve.mean, curve.count, strict=True)), expected, rtol=1e-9)


def test_the_least_certain_are_dropped_first() -> None:
    errors, deviation = np.array([[[1.0, 2.0, 3.0, 10.0]]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    curve = risk_curve(errors, deviation, np.array([0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_array_equal(curve.count, [1, 2, 3, 4])
    np.testing.assert_allclose(curve.mean, [1, 1.5, 2, 4])


def test_where_deviations_are_equal_nothing_is_known_of_the_order() -> None:
    errors, deviation = np.array([[[1.0, 2.0, 6.0]]]), np.full((1, 3), 2.0)
    np.testing.assert_allclose(risk_curve(errors, deviation).mean, 3.0)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_deviation_that_orders_as_the_errors_do_gives_the_lowest_risk_and_it_rises(seed) -> None:
    errors, _ = random_case(seed, False)
    one = errors[:1]
    best, worst = risk_curve(one, one[0]).mean, risk_curve(one, -one[0]).mean
    other = risk_curve(one, np.random.default_rng(seed).random(one.shape[1:])).mean
    if np.isfinite(one).any():
        assert (
            (np.diff(best) >= -1e-9).all() and (best <= other + 1e-9).all() and (other <= worst + 1e-9).all()
        )
        assert best[-1] == pytest.approx(other[-1]) == pytest.approx(worst[-1])


def test_without_a_deviation_nothing_is_left() -> None:
    curve = risk_curve(np.ones((1, 3, 2)), np.full((3, 2), NAN))
    assert np.isnan(curve.mean).all() and (curve.count == 0).all()
