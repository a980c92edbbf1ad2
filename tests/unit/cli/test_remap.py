"""`litpose remap`."""

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Boxes, Predictions


@pytest.fixture
def files(tmp_path):
    own = Predictions(["a.png"], ["beak"], np.full((1, 1, 2), 15.5), np.ones((1, 1)), ["test"])
    write_predictions(own, tmp_path / "predictions.csv")
    write_bboxes(Boxes(["a.jpg"], np.array([[100, 200, 64, 64]])), tmp_path / "bbox.csv")
    return [str(tmp_path / "predictions.csv"), str(tmp_path / "bbox.csv")]


def test_the_result_lies_beside_the_predictions(files, tmp_path) -> None:
    assert main(["remap", *files, "--crop_size", "32x32"]) == 0
    written = read_predictions(tmp_path / "remapped_predictions.csv")
    assert (written.index, written.splits) == (["a.jpg"], ["test"])
    np.testing.assert_allclose(written.keypoints_px, [[[131.5, 231.5]]])


def test_output(files, tmp_path) -> None:
    assert main(["remap", *files, "--crop_size", "native", "--output", str(tmp_path / "new/r.csv")]) == 0
    np.testing.assert_allclose(read_predictions(tmp_path / "new/r.csv").keypoints_px, [[[115.5, 215.5]]])


def test_an_unknown_crop_size_is_warned_of(files, capsys) -> None:
    assert main(["remap", *files]) == 0
    assert "WARNING" in capsys.readouterr().err


def test_predictions_that_were_remapped_already_are_warned_of(files, tmp_path, capsys) -> None:
    options = ("--crop_size", "32x32")
    assert main(["remap", *files, *options]) == 0
    assert "WARNING" not in capsys.readouterr().err
    assert main(["remap", str(tmp_path / "remapped_predictions.csv"), files[1], *options]) == 0
    assert "1 of 1 keypoints lie outside their crop by more than its size" in capsys.readouterr().err
    assert (tmp_path / "remapped_remapped_predictions.csv").is_file()


@pytest.mark.parametrize(
    ("row", "message"),
    [("b.jpg,1,2,3,4", "expected one box for a.png"), ("a.jpg,nan,2,3,4", "expected numbers"),
     ("a.jpg,1,2,0,4", "expected h and w above 0"), ("a.jpg,1,2,3", "expected 5 cells")],
)  # fmt: skip
def test_bad_boxes_are_named_in_full(files, tmp_path, capsys, row, message) -> None:
    (tmp_path / "bbox.csv").write_text(f",x,y,h,w\n{row}\n")
    assert main(["remap", *files, "--crop_size", "32x32"]) == 2
    captured = capsys.readouterr().err
    assert message in captured and "bbox.csv" in captured and "Traceback" not in captured
    assert not (tmp_path / "remapped_predictions.csv").exists()
