"""Predictions as parquet hold what the CSV holds."""

import numpy as np
import pandas as pd
import pytest

from lightning_pose.io.parquet import holds_predictions, write_parquet
from lightning_pose.types import Predictions


def make(boxed: bool) -> Predictions:
    keypoints = np.arange(12.0).reshape(3, 2, 2)
    keypoints[1, 1] = np.nan
    boxes = np.array([[1.0, 2, 30, 40]] * 3) if boxed else None
    return Predictions([0, 1, 2], ["beak", "tail"], keypoints, np.full((3, 2), 0.5), xywh_frame_px=boxes)


@pytest.mark.parametrize("boxed", [False, True])
def test_parquet_holds_what_the_csv_holds(tmp_path, boxed) -> None:
    predictions = make(boxed)
    write_parquet(predictions, tmp_path / "predictions.parquet")
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert table["frame"].tolist() == [0, 1, 2]
    for k, name in enumerate(predictions.keypoint_names):
        found = table[[f"{name}_x", f"{name}_y"]].to_numpy(float)
        np.testing.assert_array_equal(found, predictions.keypoints_px[:, k])
        assert table[f"{name}_likelihood"].tolist() == [0.5] * 3
    boxes = [name for name in table.columns if name.startswith("bbox")]
    assert boxes == (["bbox_x", "bbox_y", "bbox_h", "bbox_w"] if boxed else [])
    if boxed:
        assert table.loc[0, boxes].tolist() == [1, 2, 40, 30]


def test_tables_of_others_are_told_apart(tmp_path) -> None:
    path = tmp_path / "predictions.parquet"
    write_parquet(make(False), path)
    assert holds_predictions(path)
    path.write_bytes(path.read_bytes()[:99])
    assert not holds_predictions(path)
    pd.DataFrame({"source": ["a.csv"], "frame": [0], "likelihood": [0.5]}).to_parquet(path)
    assert not holds_predictions(path)
