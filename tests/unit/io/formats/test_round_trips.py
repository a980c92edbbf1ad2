"""Out to another tool's files and back: nothing changes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightning_pose.io.formats.convert import Choices, Tool, convert
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Labels, Predictions

pytest.importorskip("sleap_io")
pytest.importorskip("tables")

NAMES = ["beak", "tail"]
TARGETS = [(Tool.DLC, "a.h5"), (Tool.DLC, "a.csv"), (Tool.SLEAP, "a.slp"), (Tool.COCO, "a.json")]
by_target = pytest.mark.parametrize(("tool", "name"), TARGETS)
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
pixel = st.floats(-1e4, 1e4)
point = st.tuples(pixel, pixel) | st.just((float("nan"), float("nan")))
keypoints = st.lists(st.tuples(point, point), min_size=1, max_size=4)
confidence = st.floats(0, 1) | st.just(float("nan"))


def there_and_back(tool: Tool, name: str, folder: Path) -> Path:
    """Convert ``in.csv`` and then what came of it; return the last file."""
    convert(Tool.LITPOSE, folder / "in.csv", folder / name, tool, Choices(video="film.mp4"))
    convert(tool, folder / name, folder / "out.csv", Tool.LITPOSE, Choices())
    return folder / "out.csv"


def paths(count: int) -> list[str]:
    """Return images of two sessions, not sorted by session."""
    return [f"labeled-data/{'ba'[i % 2]}/img{i:04d}.png" for i in range(count)]


@by_target
@few
@given(rows=keypoints)
def test_labels(tool, name, rows):
    before = Labels(paths(len(rows)), NAMES, np.array(rows), scorer="me")
    with TemporaryDirectory() as folder:
        write_labels(before, Path(folder) / "in.csv")
        back = read_labels(there_and_back(tool, name, Path(folder)))
    np.testing.assert_array_equal(back.keypoints_px, before.keypoints_px)
    assert (back.image_paths, back.keypoint_names, back.scorer, back.visible) == (
        paths(len(rows)),
        NAMES,
        "me",
        None,
    )


@by_target
@few
@given(rows=keypoints, scores=st.lists(st.tuples(confidence, confidence), min_size=4), video=st.booleans())
def test_predictions(tool, name, rows, scores, video):
    index = list(range(len(rows))) if video else paths(len(rows))
    before = Predictions(index, NAMES, np.array(rows), np.array(scores[: len(rows)]), scorer="net")
    with TemporaryDirectory() as folder:
        write_predictions(before, Path(folder) / "in.csv")
        back = read_predictions(there_and_back(tool, name, Path(folder)))
    np.testing.assert_array_equal(back.keypoints_px, before.keypoints_px)
    np.testing.assert_array_equal(back.confidence, before.confidence)
    assert (back.index, back.keypoint_names, back.scorer) == (index, NAMES, "net")


@few
@given(rows=keypoints, flags=st.lists(st.tuples(*[st.sampled_from([0, 1, 2])] * 2), min_size=4))
def test_coco_keeps_visibility(rows, flags):
    keypoints_px = np.array(rows)
    visible = np.array(flags[: len(rows)], np.int8)
    visible[np.isnan(keypoints_px[..., 0]) & (visible == 2)] = 0  # nothing is visible at no place
    with TemporaryDirectory() as folder:
        write_labels(Labels(paths(len(rows)), NAMES, keypoints_px, visible), Path(folder) / "in.csv")
        back = read_labels(there_and_back(Tool.COCO, "a.json", Path(folder)))
    np.testing.assert_array_equal(back.visible, visible)
    keypoints_px[visible == 0] = np.nan
    np.testing.assert_array_equal(back.keypoints_px, keypoints_px)


def test_coco_keeps_sets_and_boxes(tmp_path):
    boxes = np.array([[1, 2, 30, 40], [-3.5, 0, 9, 9]])
    before = Predictions(paths(2), NAMES, np.ones((2, 2, 2)), np.ones((2, 2)), ["train", "test"], "n", boxes)
    write_predictions(before, tmp_path / "in.csv")
    back = read_predictions(there_and_back(Tool.COCO, "a.json", tmp_path))
    assert back.splits == before.splits
    np.testing.assert_array_equal(back.xywh_frame_px, boxes)


@by_target
def test_further_columns_are_named(tool, name, tmp_path, caplog):
    further = {"x_ens_var": np.ones((1, 2)), "y_ens_var": np.ones((1, 2))}
    write_predictions(
        Predictions([0], NAMES, np.ones((1, 2, 2)), np.ones((1, 2)), further=further), tmp_path / "in.csv"
    )
    there_and_back(tool, name, tmp_path)
    assert "no place for the columns x_ens_var, y_ens_var" in caplog.text


@pytest.mark.parametrize(("tool", "name"), [(Tool.DLC, "a.h5"), (Tool.SLEAP, "a.slp")])
def test_what_has_no_place_is_named(tool, name, tmp_path, caplog):
    visible = np.array([[1, 2]], np.int8)
    write_labels(Labels(paths(1), NAMES, np.ones((1, 2, 2)), visible), tmp_path / "in.csv")
    there_and_back(tool, name, tmp_path)
    assert "no place for that 1 keypoints are occluded" in caplog.text
    boxes = np.ones((1, 4))
    write_predictions(
        Predictions([0], NAMES, np.ones((1, 2, 2)), np.ones((1, 2)), ["train"], xywh_frame_px=boxes),
        tmp_path / "in.csv",
    )
    there_and_back(tool, name, tmp_path)
    assert "no place for the column set and the boxes" in caplog.text
