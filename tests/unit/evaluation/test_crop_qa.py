"""Crop QA: boxes of 100 px whose keypoints lie where anyone can see, and files that do not fit together."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.cli.main import main
from lightning_pose.evaluation import crop_qa_plot
from lightning_pose.evaluation.crop_qa import CropQa, find_flags, worst_first
from lightning_pose.evaluation.crop_qa_plot import draw_crop_qa
from lightning_pose.evaluation.crop_qa_sheet import TILE, draw_frame
from lightning_pose.evaluation.crop_qa_table import read_crop_qa, summarize_crop_qa, write_crop_qa
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Boxes, Labels, Predictions, UserError
from tests.unit.io.films import HEIGHT, WIDTH, write_film

NAMES = ["beak", "tail"]
INSIDE = [[50.0, 50], [80, 60]]  # of a box at (20, 30)


def make(keypoints, status=None, confidence=0.9, sides=None) -> CropQa:
    count = len(keypoints)
    boxes = np.tile([20.0, 30, 100, 100], (count, 1))
    if sides is not None:
        boxes[:, 2:] = np.array(sides, float)[:, None]
    own = np.array(np.broadcast_to(np.reshape(confidence, (-1, 1)), (count, 2)), float)
    points = np.array(keypoints, float)
    boxes = Boxes(list(range(count)), boxes, status)
    return CropQa(list(range(count)), NAMES, points, np.zeros((count, 2), bool), boxes, own)


@pytest.mark.parametrize(
    ("point", "margin"),
    [
        ([69.5, 79.5], 0.5),  # the middle of the box, whose edges are at 19.5 and 119.5, 29.5 and 129.5
        ([19.5, 79.5], 0.0),
        ([119.5, 79.5], 0.0),
        ([69.5, 129.5], 0.0),
        ([24.5, 79.5], 0.05),
        ([69.5, 139.5], -0.1),
        ([9.5, 149.5], -0.2),
        ([np.nan, np.nan], np.nan),
    ],
)
def test_margins_are_shares_of_the_box(point, margin) -> None:
    qa = make([[point, INSIDE[0]]])
    assert qa.margins[0, 0] == pytest.approx(margin, nan_ok=True)
    assert qa.outside[0, 0] == (margin < -1e-9)
    assert qa.near_border[0, 0] == (-1e-9 < margin < 0.05 - 1e-9)


@given(
    st.lists(st.tuples(*[st.floats(-300, 300)] * 4), min_size=1, max_size=6),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    st.floats(0.1, 10),
)
def test_moving_and_zooming_a_film_changes_nothing(rows, shift, zoom) -> None:
    qa = make(np.reshape(rows, (-1, 2, 2)))
    points = (qa.keypoints_frame_px + 0.5) * zoom - 0.5 + shift
    xywh_px = qa.boxes.xywh_px * zoom + [*shift, 0, 0]
    other = CropQa(qa.names, NAMES, points, qa.is_label, Boxes(qa.names, xywh_px), qa.confidence)
    np.testing.assert_allclose(other.margins, qa.margins, atol=1e-6)
    apart = np.ptp(qa.keypoints_frame_px, axis=1).max(-1) > 1e-3
    np.testing.assert_allclose(other.box_ratios[apart], qa.box_ratios[apart], rtol=1e-4)


def test_of_a_video_the_confidence_is_the_detectors() -> None:
    qa = make([INSIDE] * 4, status=["detected"] * 3 + ["carried"], confidence=0.9)
    boxes = replace(qa.boxes, confidence=np.array([0.8, 0.2, 0.9, np.nan]))
    qa = replace(qa, boxes=boxes)
    np.testing.assert_array_equal(qa.frame_confidence, boxes.confidence)
    assert np.flatnonzero(find_flags(qa)["little_confidence"]).tolist() == [1]


def test_flags_and_their_order() -> None:
    outside, near = [[5.0, 50], [35, 60]], [[22.0, 50], [52, 60]]
    qa = make(
        [INSIDE, near, outside, INSIDE, INSIDE, INSIDE, INSIDE, [[5.0, 5], [300, 300]]],
        status=[*["detected"] * 3, "fallback", "carried", *["detected"] * 3],
        confidence=[0.9, 0.9, 0.9, 0.9, 0.9, 0.3, 0.9, 0.9],
        sides=[100] * 6 + [250, 100],
    )
    flags = find_flags(qa)
    found = {name: np.flatnonzero(rows).tolist() for name, rows in flags.items()}
    assert found == {
        "outside": [2, 7], "fallback": [3], "near_border": [1], "carried": [4], "odd_size": [6, 7],
        "little_confidence": [5],
    }  # fmt: skip
    assert worst_first(qa, flags).tolist() == [7, 2, 3, 1, 4, 6, 5, 0]
    assert summarize_crop_qa(qa).startswith("2 of 8 frames have keypoints outside their box, 1 more")
    assert "; 7: outside odd_size; 2: outside; 3: fallback;" in summarize_crop_qa(qa)


@pytest.mark.parametrize("status", [None, ["detected", "carried"]])
@pytest.mark.parametrize("keypoints", [[INSIDE, INSIDE], np.full((2, 2, 2), np.nan)], ids=["seen", "unseen"])
def test_pages_are_drawn_of_whatever_there_is(tmp_path, keypoints, status) -> None:
    confidence = 0.9 if np.isfinite(keypoints).all() else np.nan
    qa = make(keypoints, status, confidence)
    paths = [tmp_path / "qa.pdf", tmp_path / "qa.png"]
    draw_crop_qa(qa, "two frames", paths, 1.8)
    assert paths[0].read_bytes().startswith(b"%PDF")
    assert cv2.imread(str(paths[1])).std() > 10
    first = paths[0].read_bytes()
    draw_crop_qa(qa, "two frames", paths, 1.8)
    assert paths[0].read_bytes() == first  # the same, byte for byte


def test_the_legend_hides_no_bar(tmp_path, monkeypatch) -> None:
    figures = []
    monkeypatch.setattr(crop_qa_plot, "save_figure", lambda figure, *_: figures.append(figure))
    draw_crop_qa(make([[[50.0, 50], [300, 60]]] * 2), "a tail that is always outside", [tmp_path / "qa.png"])
    figures[0].draw_without_rendering()
    axis = next(own for own in figures[0].axes if own.get_title(loc="left") == "keypoints that are amiss")
    legend = axis.get_legend().get_window_extent()
    assert not any(legend.overlaps(bar.get_window_extent()) for bar in axis.patches if bar.get_width())


def test_a_frame_is_drawn_with_its_box_where_they_are() -> None:
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[30:130, 20:120] = (0, 0, 255)  # what the box covers
    blue = draw_frame(make([[[np.nan, np.nan]] * 2]), 0, frame)
    inside = (blue == (0, 0, 255)).all(-1)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    side = TILE / 1.3
    for edges in (rows, columns):
        assert edges[-1] - edges[0] == pytest.approx(side, abs=8)  # the box's line covers some
        assert (edges[-1] + edges[0]) / 2 == pytest.approx((TILE - 1) / 2, abs=3)
    drawn = draw_frame(make([INSIDE]), 0, frame)
    middle = (np.array(INSIDE[0]) - [20, 30] + 0.5) / 100 * side + (TILE - side) / 2
    x, y = np.round(middle).astype(int)
    assert tuple(drawn[y, x]) not in ((0, 0, 255), (0, 0, 0))


@pytest.fixture
def labelled(tmp_path):
    """Four images; the tail of the last is not labelled, but predicted, outside the box."""
    names = [f"images/img{number}.png" for number in range(4)]
    (tmp_path / "images").mkdir()
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.full((160, 200, 3), 90, np.uint8))
    keypoints = np.array([INSIDE] * 4)
    keypoints[3, 1] = np.nan
    write_labels(Labels(names, NAMES, keypoints), tmp_path / "labels.csv")
    predicted = np.tile([[55.0, 50], [5, 60]], (4, 1, 1))
    confidence = np.full((4, 2), 0.8)
    predictions = Predictions(names[::-1], NAMES[::-1], predicted[:, ::-1], confidence)
    write_predictions(predictions, tmp_path / "predictions.csv")
    boxes = Boxes(names, np.tile([20.0, 30, 100, 100], (4, 1)), ["detected"] * 3 + ["fallback"])
    write_bboxes(boxes, tmp_path / "bbox.csv")
    return tmp_path


def run(folder, *options: object) -> int:
    files = ["--bbox", folder / "bbox.csv", "--output", folder / "crop_qa.csv"]
    return main(["crop_qa", *map(str, [*files, *options])])


def rows_of(folder, kind) -> list[dict[str, str]]:
    return [row for row in csv.DictReader((folder / "crop_qa.csv").open()) if row["kind"] == kind]


def test_labels_count_where_there_are_any_and_predictions_elsewhere(labelled, capsys) -> None:
    files = ("--labels", labelled / "labels.csv", "--predictions", labelled / "predictions.csv")
    assert run(labelled, *files, "--data_dir", labelled, "--crop_ratio", 2) == 0
    frames = rows_of(labelled, "frame")
    assert [row["labelled"] for row in frames] == ["2", "2", "2", "1"]
    assert [row["outside"] for row in frames] == ["0", "0", "0", "1"]
    assert [row["rank"] for row in frames][3] == "1"
    assert frames[3]["flags"] == "outside fallback"
    assert frames[0]["least_margin"] == "0.205" and frames[0]["confidence"] == "0.8"
    assert float(frames[0]["box_ratio"]) == pytest.approx(100 / 30, abs=1e-3)
    tail = rows_of(labelled, "keypoint")[1]
    assert (tail["name"], tail["n"], tail["labelled"], tail["outside"]) == ("tail", "4", "3", "1")
    assert {row["name"]: row["n"] for row in rows_of(labelled, "status")} == {
        "detected": "3",
        "fallback": "1",
    }
    assert "1 of 4 frames have keypoints outside their box" in capsys.readouterr().err
    assert {path.name for path in labelled.glob("crop_qa*")} == {
        "crop_qa.csv", "crop_qa.pdf", "crop_qa.png", "crop_qa_worst.png",
    }  # fmt: skip
    assert cv2.imread(str(labelled / "crop_qa_worst.png")).shape == (TILE, 4 * TILE, 3)


def test_the_rows_above_the_frames_read_back(tmp_path) -> None:
    write_crop_qa(make([INSIDE, [[0, 0], [80, 60]]], status=["detected", "fallback"]), tmp_path / "qa.csv")
    found = read_crop_qa(tmp_path / "qa.csv")
    assert found["set", "all"]["outside"] == found["flag", "outside"]["n"] == "1"
    assert found["status", "fallback"]["n"] == "1" and ("keypoint", "tail") in found
    assert not any(kind == "frame" for kind, _ in found)


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "an empty file"), ("a,b\n1,2\n", "found a,b"), (None, "a whole number, found 'few'")],
)
def test_what_is_no_such_table_is_refused(tmp_path, text, told) -> None:
    path = tmp_path / "qa.csv"
    write_crop_qa(make([INSIDE], status=["detected"]), path)
    path.write_text(path.read_text().replace("flag,outside,0", "flag,outside,few") if text is None else text)
    with pytest.raises(UserError, match=told):
        read_crop_qa(path)


def test_predictions_below_the_least_confidence_are_not_there(labelled) -> None:
    files = ("--labels", labelled / "labels.csv", "--predictions", labelled / "predictions.csv")
    assert run(labelled, *files, "--min_confidence", 0.9) == 0
    assert [row["n"] for row in rows_of(labelled, "frame")] == ["2", "2", "2", "1"]
    assert not (labelled / "crop_qa_worst.png").exists()  # no images at hand


def test_a_video_and_its_worst_frames(tmp_path, capsys) -> None:
    film = write_film(tmp_path / "film.mp4", 8)
    keypoints = np.tile([[WIDTH / 2, HEIGHT / 2], [WIDTH / 2 + 8, HEIGHT / 2]], (8, 1, 1))
    keypoints[5, 0] = [0, 0]
    write_predictions(Predictions(list(range(8)), NAMES, keypoints, np.ones((8, 2))), tmp_path / "p.csv")
    box = [WIDTH / 2 - 16, HEIGHT / 2 - 16, 32, 32]
    boxes = Boxes(list(range(8)), np.tile(box, (8, 1)), ["detected"] * 7 + ["carried"])
    write_bboxes(boxes, tmp_path / "bbox.csv")
    assert run(tmp_path, "--predictions", tmp_path / "p.csv", "--video", film, "--worst", 2) == 0
    ranked = sorted(rows_of(tmp_path, "frame"), key=lambda row: int(row["rank"]))
    assert [row["name"] for row in ranked][:2] == ["5", "7"]
    assert cv2.imread(str(tmp_path / "crop_qa_worst.png")).shape == (TILE, 2 * TILE, 3)
    short = write_film(tmp_path / "short.mp4", 7)
    assert run(tmp_path, "--predictions", tmp_path / "p.csv", "--video", short) == 2
    assert f"expected frames 0 to 6 of {short}, found 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--labels, --predictions: expected one of the two, or both, found none"),
        (("--labels", "{}/none.csv"), "none.csv: expected a CSV file, found no such file"),
        (
            ("--labels", "{}/labels.csv", "--plot", "a.jpg"),
            "expected files .pdf or .png, found a.jpg",
        ),
        (("--labels", "{}/labels.csv", "--sheet", "a.png"), "--sheet: expected --data_dir or --video"),
        (("--labels", "{}/labels.csv", "--worst", "0"), "--worst: expected 1 or more, found 0"),
        (
            ("--labels", "{}/labels.csv", "--min_confidence", "nan"),
            "--min_confidence: expected a number from 0 to 1, found nan",
        ),
        (("--labels", "{}/labels.csv", "--crop_ratio", "0"), "--crop_ratio: expected a number above 0"),
        (
            ("--labels", "{}/labels.csv", "--output", "{}/crop_qa.pdf"),
            "--output: expected a file named *.csv",
        ),
        (
            ("--labels", "{}/labels.csv", "--data_dir", "{}", "--sheet", "a.jpg"),
            "--sheet: expected a file named *.png, found a.jpg",
        ),
        (("--labels", "{}/labels.csv", "--data_dir", "{}", "--video", "a.mp4"), "one of the two, found both"),
        (("--labels", "{}/labels.csv", "--data_dir", "{}/other"), "expected an image, found no such file"),
        (("--labels", "{}/more.csv"), "more.csv, row 8: expected one box for images/img9.png in"),
        (
            ("--labels", "{}/labels.csv", "--predictions", "{}/few.csv"),
            "few.csv: expected a row for each",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(labelled, capsys, options, message) -> None:
    names = [f"images/img{number}.png" for number in (0, 1, 2, 3, 9)]
    write_labels(Labels(names, NAMES, np.array([INSIDE] * 5)), labelled / "more.csv")
    few = Predictions(names[:2], NAMES, np.array([INSIDE] * 2), np.ones((2, 2)))
    write_predictions(few, labelled / "few.csv")
    assert run(labelled, *(option.format(labelled) for option in options)) == 2
    assert message in capsys.readouterr().err
    assert not list(labelled.glob("crop_qa*"))
