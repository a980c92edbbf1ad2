"""A pose model on a cropped video, remapped, finds what it finds when frames are cropped in memory."""

import shutil

import numpy as np
import pytest

from lightning_pose.inference.model import Model
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.predictions import read_predictions
from lightning_pose.types import Boxes
from tests.unit.inference.conftest import COUNT


@pytest.fixture
def cropzoom(trained, film, tmp_path):
    """A cropzoom model that predicted on the film, and the film cropped by its boxes."""
    folder = tmp_path / "cropzoom"
    joined = ("create_cropzoom", trained.detector, trained.pose, "--output_dir", folder, "--crop_ratio", 2.5)
    assert trained.run(*joined) == 0
    assert trained.run("predict", folder, film[0]) == 0
    assert trained.run("crop", folder, film[0]) == 0
    return folder / "video_preds" / film[0].name


@pytest.fixture
def pose(trained, tmp_path):
    return shutil.copytree(trained.pose, tmp_path / "pose")


def test_predictions_on_crops_are_those_in_memory(trained, cropzoom, pose, capsys) -> None:
    in_memory = read_predictions(cropzoom / "predictions.csv")
    assert trained.run("predict", pose, cropzoom / "cropped_film.mp4") == 0
    folder = pose / "video_preds" / "cropped_film.mp4"
    remapped = read_predictions(folder / "remapped_predictions.csv")
    assert {path.name for path in folder.glob("*_temporal_norm.csv")} == {
        "remapped_predictions_temporal_norm.csv"  # in frame pixels, unlike the predictions on the crops
    }
    assert remapped.index == in_memory.index == list(range(COUNT))
    away = np.linalg.norm(remapped.keypoints_px - in_memory.keypoints_px, axis=-1)
    assert np.median(away) < 0.5
    assert trained.run("remap", folder / "predictions.csv", cropzoom / "bbox.csv", "--output",
                       folder / "again.csv") == 0  # fmt: skip
    assert (folder / "again.csv").read_bytes() == (folder / "remapped_predictions.csv").read_bytes()
    on_crops = read_predictions(folder / "predictions.csv").keypoints_px
    assert np.median(np.linalg.norm(on_crops - in_memory.keypoints_px, axis=-1)) > 5, "another space"


def test_a_stretch_of_crops_is_mapped_by_its_own_boxes(trained, cropzoom, pose) -> None:
    video = cropzoom / "cropped_film.mp4"
    assert trained.run("predict", pose, video) == 0
    assert trained.run("predict", pose, video, "--frames", "4:9") == 0
    folder = pose / "video_preds" / video.name
    whole, part = (read_predictions(folder / f"remapped_predictions{ending}.csv") for ending in ("", "_4-9"))
    assert part.index == [4, 5, 6, 7, 8]
    np.testing.assert_allclose(part.keypoints_px, whole.keypoints_px[4:9], atol=1e-3)


def test_boxes_for_crops_are_refused(trained, cropzoom, pose, capsys) -> None:
    video = cropzoom / "cropped_film.mp4"
    assert trained.run("predict", pose, video, "--bbox", cropzoom / "bbox.csv") == 2
    assert "--bbox: expected none for" in capsys.readouterr().err


def test_models_of_whole_frames_refuse_crops(trained, cropzoom, tmp_path, capsys) -> None:
    video, folder = cropzoom / "cropped_film.mp4", cropzoom.parent.parent
    detector = shutil.copytree(trained.detector, tmp_path / "detector")
    before = sorted(folder.rglob("*"))
    for model, expected in (
        (detector, "a video of whole frames, which the model was trained on"),
        (folder, "a video of frames, which the model crops itself"),
    ):
        assert trained.run("predict", model, video) == 2
        assert f"cropped_film.mp4: expected {expected}, found one of crops" in capsys.readouterr().err
    assert not (detector / "video_preds").exists() and sorted(folder.rglob("*")) == before


def test_a_model_of_crops_that_is_given_whole_frames_says_so(trained, cropzoom, film, caplog) -> None:
    told = "the model was trained on crops and looks at whole frames here"
    Model.from_dir(trained.pose).predict_video(cropzoom / "cropped_film.mp4")
    Model.from_dir(trained.detector).predict_video(film[0])
    assert told not in caplog.text
    Model.from_dir(trained.pose).predict_video(film[0])
    assert f"{film[0]}: {told}" in caplog.text


def test_a_model_whose_labels_are_gone_may_be_one_of_crops(trained, cropzoom, tmp_path) -> None:
    elsewhere = shutil.copytree(trained.detector, tmp_path / "elsewhere")
    config = elsewhere / "config.yaml"
    config.write_text(config.read_text().replace("csv_file: labels.csv", "csv_file: other.csv"))
    (elsewhere / "provenance.json").unlink()
    arguments = ("predict", elsewhere, cropzoom / "cropped_film.mp4", "--output", tmp_path / "out.csv")
    assert trained.run(*arguments) == 0


def test_boxes_that_changed_are_noticed_before_anything_is_predicted(trained, cropzoom, pose, capsys) -> None:
    boxes = read_bboxes(cropzoom / "bbox.csv")
    write_bboxes(Boxes(boxes.index, boxes.xywh_px + 1), cropzoom / "bbox.csv")
    assert trained.run("predict", pose, cropzoom / "cropped_film.mp4") == 2
    assert "bbox.csv: expected the boxes that" in capsys.readouterr().err
    assert not (pose / "video_preds").exists()
