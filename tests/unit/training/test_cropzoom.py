"""A cropzoom model from a config file: the whole chain, again only where it is missing or stale."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.inference.cropzoom import CropZoomModel
from lightning_pose.inference.model import Model
from lightning_pose.io.cropzoom_dir import read_cropzoom
from lightning_pose.io.labels import read_labels
from lightning_pose.io.model_dir import read_model_settings
from lightning_pose.io.predictions import read_predictions
from lightning_pose.settings import RuntimeName
from tests.unit.training.squares import make_squares, tiny_settings


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("chain")
    make_squares(root / "data", 10)
    make_squares(root / "data", 4, csv="labels_new.csv", seed=1)
    settings = tiny_settings(root / "data", max_steps=30, check_val_every_n_epoch=5)
    settings.workflow.pose = {"training": {"max_steps": 12}}
    settings.workflow.crop_ratios = [2.5]
    (root / "tiny.yaml").write_text(to_yaml(settings))
    return root / "tiny.yaml"


@pytest.fixture(scope="module")
def folder(config):
    folder = config.parent / "model"
    assert main(["train", str(config), "--cropzoom", "--output_dir", str(folder)]) == 0
    return folder


def written(folder):
    """Return when the artifacts of a model were written."""
    files = [*folder.rglob("model.safetensors"), *folder.rglob("*.png")]
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in files}


def test_the_whole_chain_is_there(config, folder) -> None:
    labels = read_labels(config.parent / "data" / "labels_new.csv")
    predictions = read_predictions(folder / "image_preds" / "labels_new.csv" / "predictions.csv")
    assert predictions.index == labels.image_paths
    again = CropZoomModel.from_dir(folder).predict_frames(labels.image_paths, config.parent / "data")
    np.testing.assert_allclose(predictions.keypoints_px, again.keypoints_px, atol=1e-3)
    assert (folder / "predictions.csv").read_bytes() == (
        folder / "image_preds" / "labels.csv" / "predictions.csv"
    ).read_bytes()
    crops = {path.stem for path in (folder / "detector" / "cropped_images").rglob("*.png")}
    assert {f"img{row:02d}" for row in range(10)} <= crops


def test_from_python_nothing_that_is_there_is_made_again(config, folder) -> None:
    before = written(folder)
    model = CropZoomModel.train(config, folder)
    assert isinstance(model, CropZoomModel) and written(folder) == before


def test_only_what_is_missing_or_stale_is_made_again(config, folder, tmp_path) -> None:
    own = shutil.copytree(folder, tmp_path / "model")
    before = written(own)
    crop = own / "detector" / "cropped_images" / "images_0" / "img03.png"
    crop.unlink()
    options = ["--output_dir", str(own), "--skip_predict"]
    assert main(["train", str(config), "--cropzoom", *options]) == 0
    after = written(own)
    changed = {path.name for path in before if after[path] != before[path]}
    assert changed == {"img03.png", "img03.context.png", "model.safetensors"}
    assert after[Path("detector/model.safetensors")] == before[Path("detector/model.safetensors")]


def test_trainings_that_are_kept_follow_settings_that_no_weights_depend_on(config, folder, tmp_path) -> None:
    own = shutil.copytree(folder, tmp_path / "model")
    before = written(own)
    options = ["--output_dir", str(own), "--skip_predict", "--overrides"]
    others = ["workflow.boxes.detect_every=4", "workflow.boxes.max_speed=0.2", "inference.runtime=auto"]
    assert main(["train", str(config), "--cropzoom", *options, *others]) == 0
    assert written(own) == before
    boxes = read_cropzoom(own).boxes
    assert (boxes.detect_every, boxes.max_speed) == (4, 0.2)
    for name in ("detector", "pose"):
        assert read_model_settings(own / name).inference.runtime is RuntimeName.auto


def test_a_single_model_is_trained_from_python(config, tmp_path) -> None:
    model = Model.train(config, tmp_path / "single", ["training.max_steps=1"])
    assert model.keypoint_names == ["square", "cross"]
    assert (tmp_path / "single" / "image_preds" / "labels.csv" / "predictions.csv").is_file()


@pytest.mark.parametrize("option", ["--kind=pose", "--variant=x", "--detector_model=x"])
def test_options_of_single_trainings(config, tmp_path, capsys, option) -> None:
    assert main(["train", str(config), "--cropzoom", "--output_dir", str(tmp_path / "m"), option]) == 2
    assert "expected none with --cropzoom" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
