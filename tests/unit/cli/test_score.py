"""`litpose score`."""

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_pixel_errors, write_predictions
from lightning_pose.types import Labels, Predictions


@pytest.fixture
def files(tmp_path):
    def write(paths):
        labels, predicted = tmp_path / "labels.csv", tmp_path / "predictions.csv"
        write_labels(Labels(["a.jpg", "b.jpg"], ["beak"], np.array([[[0, 0]], [[np.nan, np.nan]]])), labels)
        write_predictions(
            Predictions(paths, ["beak"], np.full((2, 1, 2), [3.0, 4.0]), np.ones((2, 1)), ["train", "test"]),
            predicted,
        )
        return str(predicted), str(labels)

    return write


def test_rows_are_matched_by_path(files, tmp_path):
    assert main(["score", *files(["b.jpg", "a.jpg"])]) == 0
    index, names, errors, splits = read_pixel_errors(tmp_path / "predictions_pixel_error.csv")
    assert (index, names, splits) == (["a.jpg", "b.jpg"], ["beak"], ["test", "train"])
    np.testing.assert_array_equal(errors, [[5], [np.nan]])


def test_another_suffix_is_another_image(files, tmp_path, capsys):
    assert main(["score", *files(["a.png", "b.jpg"])]) == 2
    assert "a.jpg" in capsys.readouterr().err
    assert not (tmp_path / "predictions_pixel_error.csv").exists()
