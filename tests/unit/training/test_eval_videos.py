"""A training ends with predictions on the videos that `eval` names, and draws them if it is asked to."""

from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.predictions import read_predictions
from lightning_pose.io.video_facts import probe_video
from lightning_pose.types import Boxes
from tests.unit.io.films import write_film
from tests.unit.training.squares import make_squares, tiny_settings

FRAMES = 6
DRAWN = ("--overrides", "eval.save_vids_after_training=true", "eval.confidence_thresh_for_vid=0")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    make_squares(data, 8)
    write_film(data / "films" / "film.mp4", FRAMES)
    settings = tiny_settings(data, max_steps=1)
    settings.workflow.crop_ratios = [2.5]
    settings.eval.test_videos_directory = "films"
    (tmp_path / "tiny.yaml").write_text(to_yaml(settings))
    return tmp_path / "tiny.yaml"


def train(config: Path, name: str, *options: object) -> int:
    return main([str(text) for text in ("train", config, "--output_dir", config.parent / name, *options)])


def results(config: Path, name: str) -> Path:
    return config.parent / name / "video_preds" / "film.mp4"


@pytest.mark.slow
def test_detectors_and_pose_models_predict_on_videos(config) -> None:
    assert train(config, "detector") == 0
    folder = results(config, "detector")
    assert read_predictions(folder / "predictions.csv").index == list(range(FRAMES))
    assert not (folder / "labeled.mp4").exists()
    detector = config.parent / "detector"
    assert train(config, "pose", "--detector_model", detector, *DRAWN) == 0
    folder = results(config, "pose")
    assert read_predictions(folder / "predictions.csv").index == list(range(FRAMES))
    assert probe_video(folder / "labeled.mp4").frame_count == FRAMES
    assert read_bboxes(results(config, "detector") / "bbox.csv").index == list(range(FRAMES))
    assert train(config, "none", "--skip_predict") == 0
    assert not (config.parent / "none" / "video_preds").exists()


@pytest.mark.slow
def test_a_cropzoom_model_predicts_on_videos(config) -> None:
    assert train(config, "both", "--cropzoom", *DRAWN) == 0
    folder = results(config, "both")
    assert read_predictions(folder / "predictions.csv").index == list(range(FRAMES))
    assert probe_video(folder / "labeled.mp4").frame_count == FRAMES


def test_a_folder_without_videos_stops_before_anything_is_trained(config, capsys) -> None:
    for options in ((), ("--cropzoom",)):
        assert train(config, "no", *options, "--overrides", "eval.test_videos_directory=images_0") == 2
        assert "eval.test_videos_directory: expected videos" in capsys.readouterr().err
        assert not (config.parent / "no").exists()


def test_labels_of_crops_need_videos_of_crops(config, capsys) -> None:
    root, data = config.parent, config.parent / "data"
    names = [f"images_0/img{row:02d}.png" for row in range(8)]
    write_bboxes(Boxes(names, np.tile([0.0, 0.0, 64.0, 64.0], (8, 1))), root / "bbox.csv")
    given = ("--labels", data / "labels.csv", "--bbox", root / "bbox.csv", "--data_dir", data)
    assert main([str(text) for text in ("crop", *given, "--output_dir", root / "crops")]) == 0
    settings = {
        "data.csv_file": root / "crops" / "labels.csv" / "cropped_labels.csv",
        "data.data_dir": root / "crops" / "cropped_images",
        "eval.test_videos_directory": data / "films",
    }
    assert train(config, "pose", "--overrides", *(f"{key}='{path}'" for key, path in settings.items())) == 2
    expected = "eval.test_videos_directory: expected videos of crops (litpose crop), since the labels are of"
    assert f"{expected} crops, found {data / 'films' / 'film.mp4'}" in capsys.readouterr().err
    assert not (root / "pose").exists()
