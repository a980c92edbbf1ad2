"""Writing and reading back changes nothing; broken cells are named."""

import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.files import write_atomic
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import (
    SMOOTHED,
    VARIANCES,
    read_pixel_errors,
    read_predictions,
    write_pixel_errors,
    write_predictions,
)
from lightning_pose.types import Boxes, Labels, Predictions, UserError

NAMES = ["beak", "tail"]
number = st.floats(allow_nan=False, allow_infinity=False)
cell = number | st.just(float("nan"))
row = st.tuples(*[cell] * 6)
rows = st.lists(row, min_size=1, max_size=5)


def _paths(count):
    return [f"labeled-data/s/img{i:04d}.png" for i in range(count)]


@settings(max_examples=60, deadline=None)
@given(rows=rows, visible=st.booleans())
def test_labels_read_back_exactly(rows, visible):
    array = np.array(rows)
    flags = (np.arange(array.shape[0] * 2).reshape(-1, 2) % 3).astype(np.int8) if visible else None
    labels = Labels(_paths(len(rows)), NAMES, array[:, :4].reshape(-1, 2, 2), flags, "me, myself")
    with TemporaryDirectory() as folder:
        write_labels(labels, Path(folder) / "a.csv")
        back = read_labels(Path(folder) / "a.csv")
    expected = labels.keypoints_px.copy()
    if visible:
        expected[flags == 0] = np.nan  # COCO: not labelled, whatever stands there
    np.testing.assert_array_equal(back.keypoints_px, expected)
    assert (back.image_paths, back.keypoint_names, back.scorer) == (_paths(len(rows)), NAMES, "me, myself")
    assert (back.visible is None) == (flags is None)
    if visible:
        np.testing.assert_array_equal(back.visible, flags)


@settings(max_examples=60, deadline=None)
@given(rows=rows, video=st.booleans(), with_set=st.booleans(), with_boxes=st.booleans())
def test_predictions_read_back_exactly(rows, video, with_set, with_boxes):
    array = np.array(rows).reshape(-1, 2, 3)
    index = list(range(len(rows))) if video else _paths(len(rows))
    splits = ["train"] * len(rows) if with_set else None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        boxes = array[:, 0, [0, 1, 2, 0]] if with_boxes else None
        predictions = Predictions(index, NAMES, array[..., :2], array[..., 2], splits, xywh_frame_px=boxes)
        write_predictions(predictions, path)
        back = read_predictions(path)
    assert (back.xywh_frame_px is None) != with_boxes
    if with_boxes:
        np.testing.assert_array_equal(back.xywh_frame_px, boxes)
    np.testing.assert_array_equal(back.keypoints_px, array[..., :2])
    np.testing.assert_array_equal(back.confidence, array[..., 2])
    assert (back.index, back.keypoint_names, back.splits) == (index, NAMES, splits)


@settings(max_examples=60, deadline=None)
@given(
    xy=st.tuples(number, number),
    size=st.floats(1e-300, 1e300),
    status=st.booleans(),
    sure=st.none() | st.floats(0, 1),
)
def test_boxes_read_back_exactly(xy, size, status, sure):
    xywh = np.array([[*xy, size, 2.5], [*xy, 7, size]])
    confidence = None if sure is None else np.array([sure, np.nan])
    boxes = Boxes(_paths(2), xywh, ["detected", "fallback"] if status else None, confidence)
    with TemporaryDirectory() as folder:
        write_bboxes(boxes, Path(folder) / "bbox.csv")
        back = read_bboxes(Path(folder) / "bbox.csv")
    np.testing.assert_array_equal(back.xywh_px, xywh)
    assert (back.index, back.status) == (boxes.index, boxes.status)
    assert (back.confidence is None) == (sure is None)
    if sure is not None:
        np.testing.assert_array_equal(back.confidence, confidence)


@settings(max_examples=40, deadline=None)
@given(rows=rows, with_set=st.booleans())
def test_pixel_errors_read_back_exactly(rows, with_set):
    errors, splits = np.array(rows)[:, :2], ["test"] * len(rows) if with_set else None
    with TemporaryDirectory() as folder:
        write_pixel_errors(Path(folder) / "e.csv", _paths(len(rows)), NAMES, errors, splits)
        index, names, back, own = read_pixel_errors(Path(folder) / "e.csv")
    np.testing.assert_array_equal(back, errors)
    assert (index, names, own) == (_paths(len(rows)), NAMES, splits)


def test_predictions_as_pandas_writes_them_have_a_set(tmp_path):
    columns = pd.MultiIndex.from_product([["net"], NAMES, ["x", "y", "likelihood"]])
    frame = pd.DataFrame(np.arange(12.0).reshape(2, 6), index=_paths(2), columns=columns)
    frame[("set", "", "")] = ["train", "validation"]
    frame.to_csv(tmp_path / "once.csv")
    again = pd.read_csv(tmp_path / "once.csv", header=[0, 1, 2], index_col=0)
    again.to_csv(tmp_path / "twice.csv")
    for name in ("once.csv", "twice.csv"):
        predictions = read_predictions(tmp_path / name)
        assert predictions.splits == ["train", "validation"]
        assert predictions.confidence[1, 1] == 11


HEADER = "scorer,s,s\nbodyparts,beak,beak\ncoords,x,y\n"


def test_an_empty_visibility_says_no_more_than_x_and_y(tmp_path):
    header = "scorer,s,s,s\nbodyparts,beak,beak,beak\ncoords,x,y,visible\n"
    (tmp_path / "a.csv").write_text(header + "a.png,1,2,\nb.png,,,\nc.png,1,2,0\nd.png,1,2,1\n")
    labels = read_labels(tmp_path / "a.csv")
    assert labels.visible is not None and labels.visible.tolist() == [[2], [0], [0], [1]]
    assert labels.keypoints_px[0, 0].tolist() == [1, 2] and np.isnan(labels.keypoints_px[2]).all()


def test_paths_in_three_columns_as_deeplabcut_writes_them(tmp_path):
    for name, coords in (("labels.csv", ["x", "y"]), ("found.csv", ["x", "y", "likelihood"])):
        columns = pd.MultiIndex.from_product(
            [["net"], NAMES, coords], names=["scorer", "bodyparts", "coords"]
        )
        index = pd.MultiIndex.from_tuples([("labeled-data", "s", "a.png"), ("labeled-data", "s", "b.png")])
        cells = np.arange(2.0 * len(columns)).reshape(2, -1)
        pd.DataFrame(cells, index=index, columns=columns).to_csv(tmp_path / name)
    labels, found = read_labels(tmp_path / "labels.csv"), read_predictions(tmp_path / "found.csv")
    assert labels.image_paths == found.index == ["labeled-data/s/a.png", "labeled-data/s/b.png"]
    assert labels.keypoints_px[1].tolist() == [[4, 5], [6, 7]] and found.confidence[1].tolist() == [8, 11]


def test_paths_of_windows_are_those_of_the_labels(tmp_path):
    (tmp_path / "found.csv").write_text(
        "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,likelihood\ns\\i.png,1,2,1\n"
    )
    (tmp_path / "bbox.csv").write_text(",x,y,h,w\ns\\i.png,1,2,3,4\n")
    assert read_predictions(tmp_path / "found.csv").index == ["s/i.png"]
    assert read_bboxes(tmp_path / "bbox.csv").index == ["s/i.png"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER + "a.png,1,2\nb.png,1,oops\n", ["row 5, beak y", "'oops'"]),
        (HEADER + "a.png,1,2,3\n", ["row 4", "3 cells", "4"]),
        (HEADER + "a.png,inf,2\n", ["row 4, beak x", "'inf'"]),
        (HEADER + "a_1.png,1_5,2\n", ["row 4, beak x", "'1_5'"]),
        (HEADER, ["at least one row"]),
        ("", ["three header rows", "0 rows"]),
        ("scorer,s,s\nbodyparts,beak,beak\ncoords,x,z\na.png,1,2\n", ["header", "beak z"]),
    ],
)
def test_broken_labels_are_named(tmp_path, text, expected):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError) as error:
        read_labels(tmp_path / "a.csv")
    assert all(part in str(error.value) for part in ["a.csv", *expected])


def test_all_broken_cells_are_listed_together(tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + "a.png,one,2\nb.png,1,two\n")
    with pytest.raises(UserError) as error:
        read_labels(tmp_path / "a.csv")
    assert len(error.value.problems) == 2


@pytest.mark.parametrize(
    "box", ["1,2,0,4", "1,2,3,-4", "1,,3,4", "1,nan,3,4", "1,x,3,4", "1_0,2,3,4", "1,2,3"]
)
def test_impossible_boxes_are_refused(tmp_path, box):
    (tmp_path / "bbox.csv").write_text(f",x,y,h,w\na.png,1,2,3,4\nb.png,{box}\n")
    with pytest.raises(UserError, match=r"bbox.csv, row 3"):
        read_bboxes(tmp_path / "bbox.csv")


def test_repeated_boxes_are_all_named(tmp_path):
    (tmp_path / "bbox.csv").write_text(",x,y,h,w\n" + "0,1,2,3,4\n" * 3)
    with pytest.raises(UserError) as error:
        read_bboxes(tmp_path / "bbox.csv")
    assert len(error.value.problems) == 2


def test_an_image_has_one_box_however_its_path_is_written(tmp_path):
    (tmp_path / "bbox.csv").write_text(",x,y,h,w\ns/a.png,1,2,3,4\ns\\a.png,5,6,7,8\n")
    with pytest.raises(UserError, match=r"row 3: expected each image or frame once, found s/a.png of row 2"):
        read_bboxes(tmp_path / "bbox.csv")


def test_boxes_of_other_tools_are_accepted(tmp_path):
    (tmp_path / "bbox.csv").write_text("frame,w,h,y,x\n0,4,3,2,1\n")
    boxes = read_bboxes(tmp_path / "bbox.csv")
    assert boxes.index == [0] and boxes.xywh_px.tolist() == [[1, 2, 4, 3]] and boxes.status is None


def test_broken_pixel_errors_are_named(tmp_path):
    (tmp_path / "e.csv").write_text(",beak\na.png,x\nb.png,1,2\n")
    with pytest.raises(UserError) as error:
        read_pixel_errors(tmp_path / "e.csv")
    assert len(error.value.problems) == 2


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(RuntimeError), write_atomic(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("names", [VARIANCES, SMOOTHED])
def test_further_columns_of_ensembles_and_smoothers_read_back_exactly(tmp_path, names):
    rng = np.random.default_rng(0)
    further = {name: rng.random((4, 2)) for name in names}
    further[names[0]][1, 1] = np.nan
    shape = (4, 2)
    predictions = Predictions(
        list(range(4)), NAMES, rng.random((*shape, 2)), rng.random(shape), further=further
    )
    write_predictions(predictions, tmp_path / "a.csv")
    back = read_predictions(tmp_path / "a.csv")
    assert list(back.further) == list(names)
    for name in names:
        np.testing.assert_array_equal(back.further[name], further[name])
    np.testing.assert_array_equal(back.keypoints_px, predictions.keypoints_px)
    coords = pd.read_csv(tmp_path / "a.csv", header=[0, 1, 2], index_col=0).columns.get_level_values(2)
    assert list(coords[: len(coords) // 2]) == ["x", "y", "likelihood", *names]


def test_a_long_table_is_not_held_as_text(tmp_path):
    keypoints_px = np.random.default_rng(0).random((2000, 100, 2))
    names = [f"k{number}" for number in range(100)]
    write_labels(Labels([f"img{row}.png" for row in range(2000)], names, keypoints_px), tmp_path / "a.csv")
    tracemalloc.start()
    try:
        assert (read_labels(tmp_path / "a.csv").keypoints_px == keypoints_px).all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * keypoints_px.nbytes  # as text, it takes nine times as much


def test_columns_in_another_order_are_named(tmp_path):
    keypoints = np.zeros((2, 2, 2))
    further = {name: np.zeros((2, 2)) for name in VARIANCES[::-1]}
    write_predictions(
        Predictions([0, 1], NAMES, keypoints, np.ones((2, 2)), further=further), tmp_path / "a.csv"
    )
    with pytest.raises(UserError, match="expected columns x, y, likelihood or x, y, likelihood, x_ens_var"):
        read_predictions(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["bbox", "set"])
def test_keypoints_named_as_other_columns_of_predictions(tmp_path, name):
    write_labels(Labels(["a.png"], ["tail", name], np.ones((1, 2, 2))), tmp_path / "a.csv")
    with pytest.raises(UserError, match=f"header: expected keypoints of other names .*, found {name}"):
        read_labels(tmp_path / "a.csv")


@pytest.mark.parametrize("splits", [None, ["train"]])
@pytest.mark.parametrize(("scorer", "last"), [("set", "tail"), ("s", "set")])
def test_a_scorer_or_keypoint_named_set_is_no_column_of_splits(tmp_path, scorer, last, splits):
    wanted = Predictions([0], ["beak", last], np.ones((1, 2, 2)), np.ones((1, 2)), splits, scorer)
    write_predictions(wanted, tmp_path / "a.csv")
    back = read_predictions(tmp_path / "a.csv")
    assert (back.scorer, back.keypoint_names, back.splits) == (scorer, ["beak", last], splits)
