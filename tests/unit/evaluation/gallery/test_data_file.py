"""What is written into the data file can be read out of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.evaluation.gallery.data_file import (
    LARGEST,
    NO_CONFIDENCE,
    NOTHING,
    position_step,
    to_half_percents,
    to_steps,
)


@given(side=st.integers(1, 20_000), share=st.floats(-2, 2))
def test_positions_keep_what_a_screen_can_show(side: int, share: float) -> None:
    step, value = position_step(side), share * side
    found = to_steps(np.array([value]), step)[0]
    assert abs(found) <= LARGEST
    # twice the frame fits 16 bits, and not much more of it is given away
    assert abs(found * step - value) <= step / 2 + 1e-9
    assert step <= 4 * side / LARGEST


def test_nothing_stays_nothing_and_what_is_far_away_stays_far_away() -> None:
    steps = to_steps(np.array([np.nan, 1e9, -1e9, np.inf]), 0.25)
    assert steps.tolist() == [NOTHING, LARGEST, -LARGEST, NOTHING]


def test_confidence_is_told_in_half_percents() -> None:
    found = to_half_percents(np.array([0, 0.5, 1, 1.7, np.nan]))
    assert found.tolist() == [0, 100, 200, 200, NO_CONFIDENCE]
