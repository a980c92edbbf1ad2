"""`litpose smooth_bbox`."""

import json

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.data.clips import find_video_boxes
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.types import Boxes

STATUS = ["detected", "detected", "carried", "detected", "detected"]


@pytest.fixture
def folder(tmp_path):
    """Boxes of three videos, one in a folder of its own; the box of frame 2 jumps."""
    x = np.array([10.0, 11, 60, 13, 14])
    xywh_px = np.column_stack([x, np.full(5, 3.0), np.full((5, 2), 32.0)])
    boxes = Boxes(list(range(5)), xywh_px, STATUS, np.array([0.9, 0.8, np.nan, 0.7, 0.6]))
    write_bboxes(boxes, tmp_path / "boxes" / "a_bbox.csv")
    write_bboxes(boxes, tmp_path / "boxes" / "b.mp4" / "bbox.csv")
    write_bboxes(Boxes(boxes.index, xywh_px), tmp_path / "boxes" / "c_bbox.csv")
    (tmp_path / "boxes" / "._a_bbox.csv").write_bytes(b"\0")
    (tmp_path / "boxes" / "other.csv").write_text("no boxes")
    return tmp_path / "boxes"


def smooth(folder, *options):
    return main(["smooth_bbox", str(folder), *map(str, options)])


def test_boxes_are_found_again_under_their_names(folder, tmp_path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*bbox.csv")}
    out = tmp_path / "out"
    assert smooth(folder, "--output_dir", out, "--window", 3) == 0
    for video in ("a.mp4", "b.mp4", "c.mp4"):
        boxes = read_bboxes(find_video_boxes(out, tmp_path / video))
        np.testing.assert_array_equal(boxes.xywh_px[:, 0], [10, 11, 13, 14, 14])
        assert boxes.status == (None if video == "c.mp4" else STATUS)
    assert (out / "a_bbox.csv").read_text().splitlines()[3] == "2,13,3,32,32,carried,"
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {path for path in written if "provenance" not in path} == {
        "a_bbox.csv", "b.mp4/bbox.csv", "c_bbox.csv", "metadata.json",
    }  # fmt: skip
    content = json.loads((out / "metadata.json").read_text())
    assert content == {"method": "median", "window": 3, "source": str(folder)}
    assert {path: path.read_bytes() for path in folder.rglob("*bbox.csv")} == before


def test_other_tools_columns_and_frames_without_a_box_stay(folder, tmp_path) -> None:
    rows = [
        "frame,w,h,y,x,note",
        "0,8.5,8,1,0,",
        "1,8.5,8,1,90,é",
        "2,8.5,8,1,2,",
        "3,,,nan,,lost",
        "4,8.5,8,1,9,",
    ]
    (folder / "a_bbox.csv").write_text("\n".join(rows))
    assert smooth(folder, "--output_dir", tmp_path / "out") == 0
    expected = [*rows[:2], "1,8.5,8,1,2,é", "2,8.5,8,1,9,", "3,,,,,lost", rows[5]]
    assert (tmp_path / "out" / "a_bbox.csv").read_text().splitlines() == expected


def test_a_folder_in_the_folder_may_take_them(folder) -> None:
    for _ in range(2):
        assert smooth(folder, "--output_dir", folder / "smoothed") == 0
    assert json.loads((folder / "smoothed" / "metadata.json").read_text())["window"] == 5
    assert not (folder / "smoothed" / "smoothed").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--window", "4"), "--window: expected an odd number of frames, found 4"),
        (("--window", "0"), "--window: expected an odd number of frames, found 0"),
        (("--window", "-3"), "--window: expected an odd number of frames, found -3"),
        (("--method", "mean"), "--method: expected median, found mean"),
        (
            ("--output_dir", "{folder}/../boxes"),
            "--output_dir: expected another folder than that of the boxes",
        ),
        (("--output_dir", "{folder}/other.csv"), "expected a folder to write into"),
        (("--output_dir", "{folder}/link"), "a file to write other than those that are read"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder, capsys, options, message) -> None:
    (folder / "link").mkdir()
    (folder / "link" / "c_bbox.csv").symlink_to(folder / "c_bbox.csv")
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    own = [option.format(folder=folder) for option in options]
    given = own if "--output_dir" in own else [*own, "--output_dir", folder.parent / "out"]
    assert smooth(folder, *given) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and error.startswith("litpose smooth_bbox: ")
    assert {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a_bbox.csv", ",x,y,h,w\ns/i.png,1,2,3,4\n", "a frame number in each row, found s/i.png first"),
        ("b.mp4/bbox.csv", ",x,y,h,w\n", "a frame number in each row, found no row"),
        (
            "a_bbox.csv",
            ",x,y,h,w\n0,1,2,3,4\n5,1,2,3,4\n3,1,2,3,4\n",
            "row 4: expected a frame after 5, found frame 3",
        ),
        ("a_bbox.csv", ",x,y,h,w\n0,1,,3,4\n", "row 2 (0): expected numbers x, y, h, w, found 1,,3,4"),
        ("a_bbox.csv", ",x,y,h,w\n0,none,,,\n", "row 2 (0): expected numbers x, y, h, w"),
        ("a_bbox.csv", ",x,y,h,w\n0,1,2,0,4\n", "row 2 (0): expected h and w above 0"),
        ("a_bbox.csv", "", "header: expected columns ,x,y,h,w, found an empty file"),
    ],
)
def test_files_that_are_no_boxes_over_time_are_named(folder, tmp_path, capsys, name, text, message) -> None:
    (folder / name).write_text(text)
    assert smooth(folder, "--output_dir", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert f"{folder / name}" in error and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_folders_without_boxes(folder, tmp_path, capsys) -> None:
    for source, found in ((tmp_path / "none", "no such folder"), (folder / "other.csv", "a file")):
        assert smooth(source, "--output_dir", tmp_path / "out") == 2
        assert f"{source}: expected a folder of bounding-box CSVs, found {found}" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert smooth(tmp_path / "empty", "--output_dir", tmp_path / "out") == 2
    assert "VIDEO_STEM_bbox.csv or VIDEO_NAME/bbox.csv, found none\n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
