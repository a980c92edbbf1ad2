"""Batches of a whole training: what they depend on, and what they don't."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.data.sampling import EpochBatches, batches_per_epoch

sizes = st.integers(1, 40)


@given(rows=sizes, size=sizes, seed=st.integers(0, 9))
def test_an_epoch_shows_every_image_once(rows: int, size: int, seed: int) -> None:
    count = batches_per_epoch(rows, size)
    shown = [pair for batch in EpochBatches(rows, size, seed, 2 * count) for pair in batch]
    left_out = 1 if rows > size and rows % size == 1 else 0
    for epoch in (0, 1):
        seen = [row for number, row in shown if number == epoch]
        assert len(set(seen)) == len(seen) == rows - left_out


@given(rows=sizes, size=sizes, start=st.integers(0, 30), seed=st.integers(0, 9))
def test_going_on_shows_what_would_have_been_shown(rows: int, size: int, start: int, seed: int) -> None:
    whole = list(EpochBatches(rows, size, seed, 30))
    rest = EpochBatches(rows, size, seed, 30, start=start)
    assert list(rest) == whole[start:]
    assert len(rest) == 30 - start


@given(rows=sizes, size=st.integers(2, 40), processes=st.integers(2, 4))
def test_processes_share_each_batch(rows: int, size: int, processes: int) -> None:
    count = batches_per_epoch(rows, size, processes)
    shares = [list(EpochBatches(rows, size, 0, count, share=(rank, processes))) for rank in range(processes)]
    for number in range(count):
        parts = [share[number] for share in shares]
        rows_seen = list(itertools.chain(*parts))
        assert len(set(rows_seen)) == len(rows_seen)
        if rows >= processes and size >= processes:
            assert all(parts)


def test_order_changes_with_epoch_and_seed() -> None:
    def order(seed: int) -> list[list[int]]:
        return [[row for _, row in batch] for batch in EpochBatches(20, 20, seed, 2)]

    assert order(0)[0] != order(0)[1]
    assert order(0) == order(0)
    assert order(0)[0] != order(1)[0]


@pytest.mark.parametrize(("rows", "size", "processes", "count"), [
    (10, 4, 1, 3), (9, 4, 1, 2), (8, 4, 1, 2), (1, 4, 1, 1), (4, 4, 1, 1), (10, 4, 3, 2), (11, 4, 3, 3),
])  # fmt: skip
def test_a_rest_too_small_is_left_out(rows: int, size: int, processes: int, count: int) -> None:
    assert batches_per_epoch(rows, size, processes) == count
