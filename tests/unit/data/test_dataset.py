"""Splits, samples and what they depend on."""

import pickle

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from lightning_pose.data import dataset
from lightning_pose.data.dataset import LabeledDataset, limit_training_rows, resize_image, split_rows
from lightning_pose.types import Labels, Problem, Split, UserError


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


def test_workers_keep_no_more_images_together_than_one_process_does(tmp_path, monkeypatch) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    labels = Labels(["a.png"] * 4, ["beak"], np.zeros((4, 1, 2)))
    monkeypatch.setattr(dataset, "CACHE_BYTES", 9 * 32 * 32 * 3)
    for workers, keeps in ((1, True), (2, True), (3, False)):
        images = LabeledDataset(labels, tmp_path, 32, 32, workers=workers)
        assert (images.image(0)[0] is images.image(0)[0]) == keeps


def test_what_a_worker_cannot_read_is_told_as_without_workers(tmp_path) -> None:
    labels = Labels(["a.png", "b.png"], ["beak"], np.zeros((2, 1, 2)))
    told = []
    for workers in (0, 1):
        method = "forkserver" if workers else None
        loader = DataLoader(
            LabeledDataset(labels, tmp_path, 32, 32), num_workers=workers, multiprocessing_context=method
        )
        with pytest.raises(UserError) as caught:
            list(loader)
        told.append(caught.value.problems)
    assert told[0] == told[1] == [Problem(str(tmp_path / "a.png"), "an image", "no such file")]


def test_problems_go_from_process_to_process() -> None:
    error = UserError([Problem("a", "b, c", "d"), Problem("e", "f", "g: expected h, found i")])
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems and str(again) == str(error)


def test_a_thin_line_survives_where_one_side_shrinks_and_the_other_grows() -> None:
    lines = np.zeros((200, 1000, 3), np.uint8)
    lines[:, ::4] = 252
    np.testing.assert_array_equal(resize_image(lines, 256, 250), 63)
