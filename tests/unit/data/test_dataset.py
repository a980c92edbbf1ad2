"""Splits, samples and what they depend on."""

import pytest

from lightning_pose.data.dataset import limit_training_rows, split_rows
from lightning_pose.types import Split


@pytest.mark.parametrize("count", [1, 2, 3, 10, 45, 240])
@pytest.mark.parametrize(("train", "validation"), [(0.95, 0.05), (0.8, 0.1), (0.9, 0.1), (0.5, 0.0)])
def test_every_row_has_a_split_and_some_train(count: int, train: float, validation: float) -> None:
    splits = split_rows(count, train, validation, seed=0)
    assert len(splits) == count
    assert Split.TRAIN in splits
    assert count == 1 or Split.VALIDATION in splits
    assert splits == split_rows(count, train, validation, seed=0)


@pytest.mark.parametrize("count", [5, 25, 45, 75])
def test_shares_that_sum_to_one_leave_no_test_row(count: int) -> None:
    for train, validation in ((0.9, 0.1), (0.5, 0.5), (0.7, 0.3)):
        assert Split.TEST not in split_rows(count, train, validation, seed=0)


def test_more_training_frames_than_there_are_means_all(caplog: pytest.LogCaptureFixture) -> None:
    splits = split_rows(20, 0.8, 0.1, 0)
    rows = [row for row, split in enumerate(splits) if split is Split.TRAIN]
    assert limit_training_rows(splits, 500, 0) == rows
    assert "500" in caplog.text
    assert len(limit_training_rows(splits, 5, 0)) == 5
    assert len(limit_training_rows(splits, 0.5, 0)) == 8
