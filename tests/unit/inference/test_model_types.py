"""Every type of model from training to predictions, and how sure it is of animals that are not there."""

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_predictions
from lightning_pose.settings import ModelType, Precision
from lightning_pose.training.fit import fit
from lightning_pose.types import Labels
from tests.unit.training.squares import draw, make_squares, tiny_settings


def trained_on(folder, labels, output, model_type=ModelType.heatmap, **training):
    options = {"precision": Precision.fp32, "max_steps": 100, "check_val_every_n_epoch": 25, **training}
    settings = tiny_settings(folder, **options)
    settings = replace(settings, model=replace(settings.model, model_type=model_type))
    fit(settings, labels, output)
    return Predictor(output)


def make_films(folder, count=10):
    """Write films of five frames in which both shapes stand still, and label the frame in the middle."""
    rng = np.random.default_rng(0)
    paths, keypoints = [], []
    for film in range(count):
        square, cross = rng.integers(10, 40, 2), rng.integers(50, 70, 2)
        for frame in range(8, 13):
            path = folder / f"film{film}" / f"img{frame:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), draw(rng, 96, 80, square, cross))
        paths.append(f"film{film}/img10.png")
        keypoints.append([square, cross])
    return Labels(paths, ["square", "cross"], np.array(keypoints, dtype=float))


def mean_error(predictor, labels, folder):
    predictions = predictor.predict_images(labels.image_paths, folder)
    return np.linalg.norm(predictions.keypoints_px - labels.keypoints_px, axis=-1).mean(), predictions


def test_a_context_model_learns_and_predicts(tmp_path, caplog) -> None:
    labels = make_films(tmp_path)
    own = trained_on(tmp_path, labels, tmp_path / "model", ModelType.heatmap_mhcrnn, max_steps=60)
    error, predictions = mean_error(own, labels, tmp_path)
    assert error < 3 and predictions.confidence.shape == (10, 2)
    assert "context" not in caplog.text
    for path in (tmp_path / "film0").glob("img*.png"):
        if path.name != "img10.png":
            path.unlink()
    with caplog.at_level(logging.WARNING):
        again = own.predict_images(labels.image_paths, tmp_path)
    assert "1 of 10 images lack some context frames, such as film0/img10.png" in caplog.text
    np.testing.assert_allclose(again.keypoints_px[1:], predictions.keypoints_px[1:], atol=1e-3)


@pytest.mark.slow
def test_a_context_model_learns_on_the_crops_of_a_detector(tmp_path) -> None:
    labels = make_films(tmp_path / "data", 14)
    write_labels(labels, tmp_path / "data" / "labels.csv")
    settings = tiny_settings(
        tmp_path / "data", precision=Precision.fp32, max_steps=100, check_val_every_n_epoch=10
    )
    settings.workflow.pose = {"model": {"model_type": "heatmap_mhcrnn"}}
    settings.workflow.crop_ratios = [2.5]
    config, detector, pose = tmp_path / "config.yaml", tmp_path / "detector", tmp_path / "pose"
    config.write_text(to_yaml(settings))
    assert main(["train", str(config), "--output_dir", str(detector)]) == 0
    options = ["--output_dir", str(pose), "--detector_model", str(detector)]
    assert main(["train", str(config), *options]) == 0
    assert len(list((detector / "cropped_images").glob("film*/img10.context.png"))) == 14
    assert Predictor(pose).settings.model.model_type is ModelType.heatmap_mhcrnn
    remapped = read_predictions(pose / "image_preds" / "cropped_labels.csv" / "remapped_predictions.csv")
    assert np.linalg.norm(remapped.keypoints_px - labels.keypoints_px, axis=-1).mean() < 4


@pytest.mark.parametrize("command", ["train", "check"])
def test_a_context_model_is_refused_where_no_image_has_context(tmp_path, capsys, command) -> None:
    labels = make_films(tmp_path / "data", 2)
    write_labels(labels, tmp_path / "data" / "labels.csv")
    settings = tiny_settings(tmp_path / "data")
    settings.model.model_type = ModelType.heatmap_mhcrnn
    config = tmp_path / "config.yaml"
    config.write_text(to_yaml(settings))
    for path in (tmp_path / "data").glob("film*/img*.png"):
        if path.name != "img10.png":
            path.unlink()
    output = ["--output_dir", str(tmp_path / "model")] if command == "train" else []
    assert main([command, str(config), *output]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and not (tmp_path / "model").exists()
    for part in (
        "labels.csv: expected images with their neighbours",
        "film0/img11.png",
        "none for any of 2 images",
    ):
        assert part in shown


def test_a_regression_model_predicts_places_in_the_image_and_is_always_sure(tmp_path) -> None:
    labels = make_films(tmp_path)
    own = trained_on(tmp_path, labels, tmp_path / "model", ModelType.regression, max_steps=60)
    predictions = own.predict_images(labels.image_paths, tmp_path)
    assert predictions.keypoints_px.shape == (10, 2, 2)
    assert ((predictions.keypoints_px > -10) & (predictions.keypoints_px < 106)).all()
    assert (predictions.confidence == 1).all()


@pytest.mark.parametrize("hidden", [False, True], ids=["always in view", "sometimes occluded"])
def test_confidence_is_low_where_there_is_no_animal(tmp_path, hidden) -> None:
    labels = make_squares(tmp_path, 16)
    rng = np.random.default_rng(7)
    empty = [f"empty{i}.png" for i in range(8)]
    for name in empty:
        cv2.imwrite(str(tmp_path / name), rng.integers(20, 70, (80, 96, 3)).astype(np.uint8))
    if hidden:
        paths = labels.image_paths + empty[:4]
        keypoints_px = np.concatenate([labels.keypoints_px, np.full((4, 2, 2), np.nan)])
        labels = Labels(paths, labels.keypoint_names, keypoints_px)
    options = {"max_steps": 150, "uniform_heatmaps_for_nan_keypoints": hidden}
    own = trained_on(tmp_path, labels, tmp_path / "model", **options)
    there = own.predict_images(labels.image_paths[:16], tmp_path).confidence
    gone = own.predict_images(empty[4:], tmp_path).confidence
    assert np.median(there) > 0.6
    assert gone.max() < (0.35 if hidden else 0.6) and gone.mean() < np.median(there) / 2
