"""Predictions on crops, mapped back to the frame."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.geometry.crop_space import frame_to_crop
from lightning_pose.inference.remap import match_rows, remap, remap_file
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Boxes, Predictions, UserError

FRAMES = ["a/img1.jpg", "a/img2.jpg", "b/img1.jpg"]
XYWH = np.array([[10, 20, 64, 64], [-30.5, 700, 311.25, 97], [0, 0, 5, 3]])
FRAME_PX = np.random.default_rng(0).uniform(-100, 1200, (3, 2, 2))


def predictions(index, keypoints_px, splits=("train", "validation", "test")):
    confidence = np.arange(len(index) * 2).reshape(-1, 2) / 10
    return Predictions(list(index), ["beak", "tail"], keypoints_px, confidence, list(splits)[: len(index)])


@pytest.fixture
def files(tmp_path):
    """Write predictions in crop pixels, the boxes and the manifest; return the paths."""

    def write(rows=None, boxes=None, manifest=None, size=(48, 32)):
        rows = rows or [name.replace(".jpg", ".png") for name in FRAMES]
        keypoints = frame_to_crop(FRAME_PX, XYWH, size)[: len(rows)]
        write_predictions(predictions(rows, keypoints), tmp_path / "predictions.csv")
        write_bboxes(boxes or Boxes(FRAMES, XYWH), tmp_path / "bbox.csv")
        if manifest is not None:
            (tmp_path / "crops.json").write_text(manifest)
        return tmp_path / "predictions.csv", tmp_path / "bbox.csv", tmp_path / "out.csv"

    return write


def manifest(boxes=XYWH):
    crops = {name: {"box": list(box)} for name, box in zip(FRAMES, boxes, strict=True)}
    return json.dumps({"crop_size": [48, 32], "crops": crops})


def test_the_crop_size_comes_from_the_manifest(files) -> None:
    source, boxes, output = files(manifest=manifest())
    remap_file(source, boxes, output)
    written = read_predictions(output)
    assert written.index == FRAMES
    np.testing.assert_allclose(written.keypoints_px, FRAME_PX, atol=1e-6)
    np.testing.assert_array_equal(written.confidence, read_predictions(source).confidence)
    assert written.splits == ["train", "validation", "test"]


def test_the_option_says_the_crop_size(files) -> None:
    source, boxes, output = files()
    np.testing.assert_allclose(remap_file(source, boxes, output, "48x32").keypoints_px, FRAME_PX)


def test_without_either_crops_are_taken_for_native_with_a_warning(files, caplog) -> None:
    source, boxes, output = files()
    shifted = remap_file(source, boxes, output).keypoints_px
    np.testing.assert_allclose(shifted, read_predictions(source).keypoints_px + XYWH[:, None, :2])
    assert "as large as their boxes" in caplog.text


def test_native_adds_the_corner_without_a_warning_of_the_size(files, caplog) -> None:
    source, boxes, output = files()
    remap_file(source, boxes, output, "native")
    assert "--crop_size" not in caplog.text


def test_rows_go_by_path_in_any_order(files) -> None:
    source, boxes, output = files(boxes=Boxes(FRAMES[::-1], XYWH[::-1]), manifest=manifest())
    remapped = remap_file(source, boxes, output)
    assert remapped.index == FRAMES
    np.testing.assert_allclose(remapped.keypoints_px, FRAME_PX)


def test_a_video_goes_by_frame_number(files) -> None:
    source, boxes, output = files(rows=["0", "1", "2"], boxes=Boxes([0, 1, 2], XYWH))
    remapped = remap_file(source, boxes, output, "48x32")
    assert remapped.index == [0, 1, 2]
    np.testing.assert_allclose(remapped.keypoints_px, FRAME_PX)


def test_nothing_predicted_stays_nothing() -> None:
    nothing = predictions(["a"], np.full((1, 2, 2), np.nan))
    assert np.isnan(remap(nothing, Boxes(["a"], XYWH[:1]), [0], (8, 8)).keypoints_px).all()


number = st.floats(-2000, 4000)
side = st.floats(0.3, 4000)


@given(number, number, side, side, st.integers(1, 600), st.integers(1, 600), number, number)
def test_remapping_undoes_the_crop(x, y, w, h, rows, columns, u, v) -> None:
    boxes = Boxes(["a"], np.array([[x, y, w, h]]))
    frame_px = np.array([[[u, v]]])
    in_crop = Predictions(
        ["a"], ["k"], frame_to_crop(frame_px, boxes.xywh_px, (rows, columns)), np.ones((1, 1))
    )
    np.testing.assert_allclose(remap(in_crop, boxes, [0], (rows, columns)).keypoints_px, frame_px, atol=1e-3)


def rows_of(names, box_names):
    own = Predictions(names, ["k"], np.zeros((len(names), 1, 2)), np.ones((len(names), 1)))
    return match_rows(own, Boxes(box_names, np.ones((len(box_names), 4))), "p.csv", "b.csv")


def test_the_exact_path_goes_before_the_stem() -> None:
    assert rows_of(["a/1.png", "a/1.jpg"], ["a/1.jpg", "a/1.png"]) == [1, 0]


def test_frame_numbers_are_not_taken_for_paths(monkeypatch) -> None:
    monkeypatch.setattr("lightning_pose.inference.remap._stem", None)  # 20 us for each frame of a video
    assert rows_of([2, 0, 1], [0, 1, 2]) == [2, 0, 1]


@pytest.mark.parametrize(
    ("names", "box_names", "message"),
    [
        (["a/1.png"], ["a/2.jpg"], "p.csv, row 4: expected one box for a/1.png in b.csv, found none"),
        (["a/1.tif", "a/2.png"], ["a/1.jpg", "a/1.png"], "found 2 of that name"),
        (["a/1.png"], ["a/1.jpg", "a/2.jpg"], "b.csv, row 3: expected an image of p.csv, found a/2.jpg"),
        (["a/1.png", "a/1.png"], ["a/1.jpg", "a/2.jpg"], "row 5: expected each image once"),
        (["a/1.png"], [0], "expected one box for a/1.png"),
        ([f"{i}.png" for i in range(9)], [f"{i}.jpg" for i in range(20, 29)], "13 more amiss"),
    ],
)
def test_rows_that_do_not_match_are_named(names, box_names, message) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(names, box_names)


def test_boxes_changed_since_the_crops_were_cut_are_refused(files) -> None:
    source, boxes, output = files(manifest=manifest(XYWH + np.array([[0], [1], [0]])))
    with pytest.raises(UserError, match=r"row 3 \(a/img2.jpg\).*crop again"):
        remap_file(source, boxes, output)
    assert not output.exists()


def test_a_damaged_manifest_is_no_licence_to_guess(files) -> None:
    source, boxes, output = files(manifest='{"crop_size": ')
    with pytest.raises(UserError, match=r"crops.json.*damaged"):
        remap_file(source, boxes, output)


@pytest.mark.parametrize("row", ["a/img2.jpg,nan,0,5,5", "a/img2.jpg,1,1,0,5", "a/img2.jpg,1,1,5,-5"])
def test_impossible_boxes_are_refused(files, row) -> None:
    source, boxes, output = files(manifest=manifest())
    lines = boxes.read_text().splitlines()
    boxes.write_text("\n".join([*lines[:2], row, *lines[3:]]))
    with pytest.raises(UserError, match=r"bbox.csv, row 3 \(a/img2.jpg\)"):
        remap_file(source, boxes, output)
    assert not output.exists()


@pytest.mark.parametrize("size", ["48", "48x", "0x32", "axb", "48x32x3", "-4x4"])
def test_a_malformed_size_is_refused(files, size) -> None:
    source, boxes, output = files()
    with pytest.raises(UserError, match="--crop_size: expected HxW"):
        remap_file(source, boxes, output, size)
