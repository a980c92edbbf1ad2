"""`litpose create_bbox`."""

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Predictions
from tests.unit.io.films import HEIGHT, WIDTH, write_film

NAMES = ["beak", "tail", "foot"]


def write(path, index=("a.jpg", "b.jpg"), confidence=1.0):
    keypoints = np.tile([[100.0, 200], [140, 200], [120, 220]], (len(index), 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    confidence = np.broadcast_to(np.reshape(confidence, (-1, 1)), (len(index), 3))
    write_predictions(Predictions(list(index), NAMES, keypoints, confidence), path)


@pytest.fixture
def create(tmp_path):
    def run(*options, **content):
        write(tmp_path / "predictions.csv", **content)
        files = ["--predictions", tmp_path / "predictions.csv", "--output", tmp_path / "bbox.csv"]
        return main(["create_bbox", *map(str, files), "--data_dir", str(tmp_path), *options])

    return run


def test_boxes_by_ratio_and_by_size(create, tmp_path) -> None:
    assert create("--crop_ratio", "1.5") == 0
    boxes = read_bboxes(tmp_path / "bbox.csv")
    assert boxes.index == ["a.jpg", "b.jpg"] and boxes.status == ["detected"] * 2
    assert boxes.xywh_px[0, 2] == pytest.approx(61, abs=1)
    assert create("--crop_size", "64") == 0
    assert read_bboxes(tmp_path / "bbox.csv").xywh_px[:, 2:].tolist() == [[64, 64]] * 2


def test_anchor_keypoints(create, tmp_path) -> None:
    assert create("--crop_ratio", "1", "--anchor_keypoints", "tail, foot") == 0
    assert read_bboxes(tmp_path / "bbox.csv").xywh_px[0, 2] == pytest.approx(21, abs=1)


def test_upstreams_form(tmp_path) -> None:
    for name in ("one.csv", "two.csv"):
        write(tmp_path / "model" / "image_preds" / name / "predictions.csv")
    assert main(["create_bbox", str(tmp_path / "model"), "one.csv", "elsewhere/two.csv"]) == 0
    for name in ("one.csv", "two.csv"):
        assert len(read_bboxes(tmp_path / "model" / "image_preds" / name / "bbox.csv").index) == 2


def test_upstreams_form_with_videos(tmp_path, capsys) -> None:
    film, folder = write_film(tmp_path / "a.mp4", 2), tmp_path / "model" / "video_preds" / "a.mp4"
    write(tmp_path / "model" / "image_preds" / "one.csv" / "predictions.csv")
    write(folder / "predictions.csv", index=[0, 1], confidence=[0, 0])
    assert main(["create_bbox", str(tmp_path / "model"), "one.csv", str(film)]) == 0
    assert read_bboxes(folder / "bbox.csv").xywh_px[1].tolist() == [0, (HEIGHT - WIDTH) // 2, WIDTH, WIDTH]
    write(folder / "predictions.csv", index=[0, 1, 2])
    assert main(["create_bbox", str(tmp_path / "model"), str(film)]) == 2
    assert f"expected frames 0 to 1 of {film}" in capsys.readouterr().err


def test_an_unseen_animal_keeps_the_whole_frame(create, tmp_path, capsys) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "b.jpg")
    assert create(confidence=[1, 0]) == 0
    boxes = read_bboxes(tmp_path / "bbox.csv")
    assert boxes.status == ["detected", "fallback"]
    assert boxes.xywh_px[1].tolist() == [0, -8, 64, 64]
    assert "1 of 2 frames" in capsys.readouterr().err


def test_a_video_needs_its_frame_size_where_nothing_was_seen(create, tmp_path, capsys) -> None:
    assert create(index=[0, 1], confidence=[0, 0]) == 2
    assert (
        "--video or --frame_size: expected one, since no animal was found in video frame 0"
        in capsys.readouterr().err
    )
    assert create("--frame_size", "48x64", index=[0, 1], confidence=[0, 0]) == 0
    assert read_bboxes(tmp_path / "bbox.csv").xywh_px[1].tolist() == [0, -8, 64, 64]


def test_a_video_tells_its_frame_size(create, tmp_path) -> None:
    film = write_film(tmp_path / "a.mp4", 2)
    assert create("--video", str(film), index=[0, 1], confidence=[0, 0]) == 0
    assert read_bboxes(tmp_path / "bbox.csv").xywh_px[1].tolist() == [0, (HEIGHT - WIDTH) // 2, WIDTH, WIDTH]


def test_predictions_on_another_video_are_refused(create, tmp_path, capsys) -> None:
    film = write_film(tmp_path / "a.mp4", 2)
    for index, last in (([0, 1, 2], "2"), (["a.jpg", "b.jpg"], "b.jpg")):
        assert create("--video", str(film), index=index) == 2
        expected = f"predictions.csv: expected frames 0 to 1 of {film}, found {last}"
        assert expected in capsys.readouterr().err and not (tmp_path / "bbox.csv").exists()


def test_boxes_of_a_video_are_carried_through_frames_without_the_animal(create, tmp_path) -> None:
    frames, confidence = list(range(12)), [1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]
    for options in ([], ["--window", "1", "--max_speed", "null", "--min_cutoff", "null"]):
        assert create(*options, index=frames, confidence=confidence) == 0
        boxes = read_bboxes(tmp_path / "bbox.csv")
        assert boxes.status == ["detected" if seen else "carried" for seen in confidence]
        assert (boxes.xywh_px == boxes.xywh_px[0]).all()


def test_a_least_size(create, tmp_path) -> None:
    assert create("--min_size", "200") == 0
    assert read_bboxes(tmp_path / "bbox.csv").xywh_px[:, 2] == pytest.approx([200, 200], abs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--crop_ratio", "0"], "crop_ratio: expected a number above 0, found 0"),
        (["--crop_ratio", "-2"], "crop_ratio: expected a number above 0, found -2"),
        (["--crop_size", "0"], "crop_size: expected a number above 0, found 0"),
        (["--crop_ratio", "2", "--crop_size", "64"], "found both"),
        (["--anchor_keypoints", "beek"], "nearest: beak"),
        (["--anchor_keypoints", "beak"], "at least 2 with crop_ratio"),
        (["--min_confidence", "2"], "min_confidence: expected a number from 0 to 1"),
        (["--window", "4"], "--window: expected an odd number of frames, found 4"),
        (["--max_speed", "0"], "--max_speed: expected a number above 0, or null, found 0"),
    ],
)
def test_impossible_settings(create, tmp_path, capsys, options, message) -> None:
    assert create(*options) == 2
    captured = capsys.readouterr().err
    assert message in captured and "Traceback" not in captured
    assert not (tmp_path / "bbox.csv").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["model"], ["--predictions", "p.csv"], ["model", "a.csv", "--output", "b.csv"]]
)
def test_incomplete_arguments(arguments, capsys) -> None:
    assert main(["create_bbox", *arguments]) == 2
    assert "--predictions and --output, or MODEL_DIR and CSVs" in capsys.readouterr().err


def test_missing_predictions(tmp_path, capsys) -> None:
    assert main(["create_bbox", str(tmp_path), "a.csv"]) == 2
    assert "no such file" in capsys.readouterr().err
