"""Predictions on a video: row i is frame i, in frame pixels, for whole frames and for crops."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lightning_pose.config import load_config
from lightning_pose.data.cut import crop_image
from lightning_pose.inference.film_run import predict_film
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.video import film_of
from lightning_pose.inference.video_boxes import boxes_for_videos
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.predictions import read_predictions
from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.settings import (
    DataSettings,
    ImageDims,
    ModelSettings,
    ModelType,
    Settings,
    TrainingSettings,
)
from lightning_pose.types import Boxes
from tests.unit.inference.conftest import COUNT, HEIGHT, WIDTH
from tests.unit.io.films import write_film


@pytest.fixture
def detector(trained, tmp_path):
    return shutil.copytree(trained.detector, tmp_path / "detector")


def test_a_video_is_predicted_as_its_frames_are(trained, film, tmp_path) -> None:
    path, places = film
    frames = open_video(path).read(0, COUNT)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame[..., ::-1])
    own = Predictor(trained.detector)
    images = own.predict_images([f"{number}.png" for number in range(COUNT)], tmp_path)
    predictions, looked_at = predict_film(film_of(own, probe_video(path)))
    assert looked_at.xywh_px.tolist() == [[0, 0, WIDTH, HEIGHT]] * COUNT
    assert predictions.index == list(range(COUNT))
    np.testing.assert_allclose(predictions.keypoints_px, images.keypoints_px, atol=1e-3)
    np.testing.assert_allclose(predictions.confidence, images.confidence, atol=1e-4)
    assert np.median(np.linalg.norm(predictions.keypoints_px - places, axis=-1)) < 8


class Windows:
    """Takes the place of a context model: "predicts" how bright the five images around each frame are."""

    device = torch.device("cpu")

    def __init__(self, size):
        self.settings = Settings(
            DataSettings(ImageDims(64, 64), keypoint_names=list("abcde")),
            TrainingSettings(test_batch_size=size),
            ModelSettings(model_type=ModelType.heatmap_mhcrnn),
        )

    def for_video(self, is_shared=False):
        return self

    def predict_batch(self, images, sizes):
        assert images.shape[1:] == (5, 3, 64, 64)
        brightness = images.mean((2, 3, 4))
        return np.stack([brightness, brightness], -1), np.ones(brightness.shape)


@pytest.mark.parametrize("size", [1, 3, 4, 20])
@pytest.mark.parametrize("boxed", [False, True])
def test_context_models_see_the_frames_around_within_the_frames_own_box(film, size, boxed) -> None:
    path, places = film
    corners = places.mean(1) - 30 if boxed else np.zeros((COUNT, 2))
    boxes = np.column_stack([corners, np.full((COUNT, 2), 60)]) if boxed else None
    found, _ = predict_film(film_of(Windows(size), probe_video(path), boxes))
    frames = open_video(path).read(0, COUNT)
    for number in range(COUNT):
        box = tuple(boxes[number]) if boxed else (0.0, 0.0, float(WIDTH), float(HEIGHT))
        around = np.clip(np.arange(number - 2, number + 3), 0, COUNT - 1)
        expected = [crop_image(frames[other], box, (64, 64)).mean() for other in around]
        columns = box[0] - 0.5 + (np.array(expected) + 0.5) * box[2] / 64
        assert found.keypoints_px[number, :, 0] == pytest.approx(columns)


def test_boxes_that_show_the_frame_change_nothing(trained, film) -> None:
    own, facts = Predictor(trained.detector), probe_video(film[0])
    whole, _ = predict_film(film_of(own, facts))
    boxed, _ = predict_film(film_of(own, facts, np.tile([0.0, 0.0, WIDTH, HEIGHT], (COUNT, 1))))
    np.testing.assert_array_equal(whole.keypoints_px, boxed.keypoints_px)


def test_crops_are_mapped_back_to_the_frame(trained, film) -> None:
    own, (path, places) = Predictor(trained.pose), film
    centers = places.mean(1)
    boxes = np.column_stack([centers - 45, np.full((COUNT, 2), 90)])
    predictions, _ = predict_film(film_of(own, probe_video(path), boxes))
    moved, _ = predict_film(film_of(own, probe_video(path), boxes + [3, -2, 0, 0]))
    distance = np.linalg.norm(predictions.keypoints_px - moved.keypoints_px, axis=-1)
    assert np.median(distance) < 4  # the box moved by 3.6 px, the prediction did not follow it by much
    assert np.median(np.linalg.norm(predictions.keypoints_px - places, axis=-1)) < 20


def test_the_command_writes_predictions_and_boxes(trained, film, detector) -> None:
    path, _ = film
    assert trained.run("predict", detector, path, "--detector_mode") == 0
    folder = detector / "video_preds" / "film.mp4"
    predictions, boxes = read_predictions(folder / "predictions.csv"), read_bboxes(folder / "bbox.csv")
    assert predictions.index == boxes.index == list(range(COUNT))
    assert predictions.splits is None
    assert {path.name for path in folder.iterdir()} == {
        "predictions.csv", "bbox.csv", "predictions_temporal_norm.csv", "predictions_metrics.csv",
        "provenance.json",
    }  # fmt: skip
    assert trained.run("create_bbox", "--predictions", folder / "predictions.csv", "--video", path,
                       "--crop_ratio", 2.5, "--output", folder / "again.csv") == 0  # fmt: skip
    np.testing.assert_array_equal(read_bboxes(folder / "again.csv").xywh_px, boxes.xywh_px)
    output = detector / "pose.csv"
    assert trained.run("predict", trained.pose, path, "--bbox", folder / "bbox.csv", "--output", output) == 0
    assert len(read_predictions(output).index) == COUNT


def test_box_columns_and_parquet_by_option(trained, film, tmp_path, capsys) -> None:
    output = tmp_path / "predictions.csv"
    options = ("--bbox_columns", "--parquet", "--output", output)
    assert trained.run("predict", trained.detector, film[0], *options) == 0
    predictions = read_predictions(output)
    assert predictions.xywh_frame_px.tolist() == [[0, 0, WIDTH, HEIGHT]] * COUNT
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    np.testing.assert_array_equal(table[["cross_x", "cross_y"]], predictions.keypoints_px[:, 1])
    assert table["bbox_w"].tolist() == [WIDTH] * COUNT
    assert trained.run("predict", trained.detector, film[0], "--output", output) == 0
    assert "bbox_w" not in pd.read_parquet(tmp_path / "predictions.parquet")  # not left from before
    assert trained.run("predict", trained.detector, "labels.csv", *options) == 2
    assert "--bbox_columns: expected videos among the inputs" in capsys.readouterr().err


def test_a_pose_model_needs_boxes(trained, film, capsys) -> None:
    assert trained.run("predict", trained.pose, film[0]) == 2
    assert "--bbox: expected the box of each frame" in capsys.readouterr().err


def test_boxes_of_another_video_are_refused(trained, film, tmp_path, capsys) -> None:
    write_bboxes(Boxes([0, 1], np.tile([0.0, 0, 9, 9], (2, 1))), tmp_path / "bbox.csv")
    assert trained.run("predict", trained.pose, film[0], "--bbox", tmp_path / "bbox.csv") == 2
    assert f"a row for each of the frames 0 to {COUNT - 1}" in capsys.readouterr().err


def test_boxes_outside_all_frames_are_refused_and_some_are_told(trained, film, tmp_path, capsys) -> None:
    xywh_px = np.tile([0.0, 0, 40, 40], (COUNT, 1))
    arguments = (trained.pose, film[0], "--bbox", tmp_path / "bbox.csv", "--output", tmp_path / "out.csv")
    for outside, code, message in (
        (
            slice(3, 5),
            0,
            "2 boxes lie outside their frame, so that the crops are black: frame 3 is the first",
        ),
        (slice(0, COUNT), 2, f"bbox.csv: expected boxes that lie in frames of {WIDTH}x{HEIGHT} px"),
    ):
        xywh_px[outside, 0] = WIDTH
        write_bboxes(Boxes(list(range(COUNT)), xywh_px), tmp_path / "bbox.csv")
        (tmp_path / "out.csv").unlink(missing_ok=True)
        assert trained.run("predict", *arguments) == code
        assert message in capsys.readouterr().err and (tmp_path / "out.csv").exists() == (code == 0)


def test_a_detector_takes_no_boxes(trained, film, detector, tmp_path, capsys) -> None:
    write_bboxes(Boxes(list(range(COUNT)), np.tile([0.0, 0, 40, 40], (COUNT, 1))), tmp_path / "film_bbox.csv")
    for option in (("--bbox", tmp_path / "film_bbox.csv"), ("--bbox_dir", tmp_path)):
        assert trained.run("predict", detector, film[0], *option) == 2
        expected = "--bbox: expected none, since the model was trained on whole frames, found boxes"
        assert expected in capsys.readouterr().err and not (detector / "video_preds").exists()


def test_boxes_are_of_one_video(trained, film, capsys) -> None:
    other = film[0].with_name("other.mp4")
    assert trained.run("predict", trained.pose, film[0], other, "--bbox", "bbox.csv") == 2
    assert "--bbox: expected one video, found 2 videos" in capsys.readouterr().err


def test_broken_videos_are_named_before_anything_is_predicted(trained, film, detector, capsys) -> None:
    (detector / "b.mp4").write_bytes(film[0].read_bytes()[:500])
    assert trained.run("predict", detector, film[0], detector / "b.mp4") == 2
    assert "truncated" in capsys.readouterr().err
    assert not (detector / "video_preds").exists()


def test_frames_of_uneven_times_are_predicted_with_a_warning(trained, detector, capsys) -> None:
    film = write_film(detector / "uneven.mp4", 12, times=[*range(6), *range(9, 15)])
    assert trained.run("predict", detector, film) == 0
    assert "row i of the predictions is frame i all the same" in capsys.readouterr().err
    assert len(read_predictions(detector / "video_preds" / "uneven.mp4" / "predictions.csv").index) == 12


def test_a_training_on_crops_gets_boxes_of_its_videos(trained, film, detector, tmp_path) -> None:
    settings = ["model.losses_to_use=[temporal]", f"data.video_dir=['{film[0]}']", "training.max_steps=1",
                "dali.base.train.sequence_length=5"]  # fmt: skip
    arguments = ("--output_dir", tmp_path / "pose", "--detector_model", detector, "--skip_predict")
    assert trained.run("train", trained.config, *arguments, "--overrides", *settings) == 0
    settings = load_config(tmp_path / "pose" / "config.yaml")
    data, workflow = settings.data, settings.workflow
    assert data.video_dir == [str(film[0])]
    boxes_csv = Path(data.bbox_dir) / "film.mp4" / "bbox.csv"
    assert read_bboxes(boxes_csv).index == list(range(COUNT))
    unchanged = boxes_csv.stat().st_mtime_ns
    assert boxes_for_videos(detector, [film[0]], workflow) == Path(data.bbox_dir)
    assert boxes_csv.stat().st_mtime_ns == unchanged  # up to date
    shutil.copy(trained.pose / "model.safetensors", detector)
    boxes_for_videos(detector, [film[0]], workflow)
    assert boxes_csv.stat().st_mtime_ns > unchanged  # other weights
    sides = read_bboxes(boxes_csv).xywh_px[:, 2]
    workflow.crop_ratios = [2 * workflow.crop_ratios[0]]
    boxes_for_videos(detector, [film[0]], workflow)  # not as the detector was trained
    np.testing.assert_allclose(read_bboxes(boxes_csv).xywh_px[:, 2], 2 * sides, atol=3)
    boxes_csv.write_text(boxes_csv.read_text().replace("detected", "by hand"))
    shutil.copy(trained.detector / "model.safetensors", detector)
    boxes_for_videos(detector, [film[0]], workflow)
    assert "by hand" in boxes_csv.read_text()  # not ours to overwrite


def test_a_training_on_crops_of_its_own_needs_boxes(trained, film, tmp_path, capsys) -> None:
    settings = ["model.losses_to_use=[temporal]", f"data.video_dir=['{film[0]}']"]
    arguments = ("--output_dir", tmp_path / "pose", "--skip_predict", "--overrides", *settings)
    assert trained.run("train", trained.pose / "config.yaml", *arguments) == 2
    assert "data.bbox_dir: expected the boxes of the unlabelled videos" in capsys.readouterr().err
    assert not (tmp_path / "pose").exists()
