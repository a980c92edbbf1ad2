"""`litpose check`."""

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.labels import write_labels
from lightning_pose.types import Labels
from tests.unit.io.barcodes import write_codes


@pytest.fixture
def config(tmp_path):
    """A data set of a single keypoint, which has no span that boxes could go by."""
    Image.new("L", (90, 90)).save(tmp_path / "a.png")
    write_labels(Labels(["a.png"], ["n"], np.ones((1, 1, 2))), tmp_path / "CollectedData.csv")
    path = tmp_path / "c.yaml"
    data = f"data: {{data_dir: {tmp_path}, csv_file: CollectedData.csv, keypoint_names: [n]}}"
    path.write_text(f"{data}\nworkflow: {{boxes: {{fixed_size: 40}}}}\n")
    return path


def test_good(config, capsys):
    # the workflow's own CSVs, if a default names them, are those of this data set
    only = ["workflow.ind_csv=CollectedData.csv", "workflow.ood_csv=null"]
    assert main(["check", str(config), "--overrides", *only]) == 0
    assert "1 images, 1 keypoints, 100% labelled" in capsys.readouterr().out


def test_bad(config, capsys):
    (config.parent / "a.png").write_bytes(b"")
    assert main(["check", str(config), "--overrides", "data.keypoint_names=[m]"]) == 2
    lines = capsys.readouterr().err
    assert "unknown n" in lines and "a.png" in lines and "Traceback" not in lines


def test_backbones_that_timm_lacks(config, capsys):
    only = ["workflow.ind_csv=CollectedData.csv", "workflow.ood_csv=null"]
    detector = "workflow.detector={model: {backbone: resnet1888}}"
    variant = "workflow.variants.large={settings: {model: {backbone: vitb_dinoX}}}"
    assert main(["check", str(config), "--overrides", *only, detector, variant]) == 2
    detector_line, variant_line = capsys.readouterr().err.splitlines()
    expected = "backbone: expected a network that timm knows, found"
    assert f"{config}: workflow.detector.model.{expected} resnet1888" in detector_line
    assert f"workflow.variants.large.settings.model.{expected} vitb_dinoX" in variant_line
    assert "did you mean vitb_dino" in variant_line
    assert main(["check", str(config), "--overrides", *only, "model.backbone=vits_dinoX"]) == 2
    assert f"{config}: model.{expected} vits_dinoX (did you mean vits_dino" in capsys.readouterr().err
    inherited = "workflow.variants.long={model: single, settings: {training: {max_steps: 9}}}"
    assert main(["check", str(config), "--overrides", *only, detector, inherited]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    known = ["model.backbone=vits_dino", "workflow.detector={model: {backbone: resnet50_animal_ap10k}}"]
    assert main(["check", str(config), "--overrides", *only, *known]) == 0


def test_unlabelled_videos_are_looked_at(config, capsys):
    (config.parent / "empty.mp4").touch()
    losses = ["model.losses_to_use=[temporal]", "data.video_dir=[empty.mp4]"]
    assert main(["check", str(config), "--overrides", *losses]) == 2
    assert "empty.mp4: expected a video, found an empty file" in capsys.readouterr().err


def test_videos_of_stores_are_left_to_the_workflow(config):
    only = ["workflow.ind_csv=CollectedData.csv", "workflow.ood_csv=null"]
    assert main(["check", str(config), "--overrides", *only, "workflow.videos=['s3://lab/film.mp4']"]) == 0


@pytest.mark.parametrize("key", ["workflow.videos", "data.video_dir"])
def test_videos_of_the_config_are_looked_at(config, capsys, key):
    only = ["workflow.ind_csv=CollectedData.csv", "workflow.ood_csv=null"]
    film = write_codes(config.parent / "film.mp4", 5)
    assert main(["check", str(config), "--overrides", *only, f"{key}=[film.mp4]"]) == 0
    film.write_bytes(film.read_bytes()[:-1000])
    assert main(["check", str(config), "--overrides", *only, f"{key}=[film.mp4]"]) == 2
    assert "film.mp4: expected a video, found unreadable or truncated" in capsys.readouterr().err
    assert main(["check", str(config), "--overrides", *only, f"{key}=[other.mp4]"]) == 2
    assert f"{key}: expected a video, here or in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("workflow.anchor_keypoints=[nose,tial]", "anchor_keypoints: expected names of keypoint_names"),
        ("data.skeleton=[[nose,tial]]", "data.skeleton: expected pairs of keypoint names"),
        ("data.columns_for_singleview_pca=[0,2]", "expected keypoint numbers from 0 to 1"),
        ("workflow.anchor_keypoints=[nose]", "expected at least 2, since one has no span, or workflow.boxes"),
    ],
)
def test_settings_go_with_the_keypoints_of_the_labels(config, capsys, own, told):
    labels = Labels(["a.png"], ["nose", "tail"], np.ones((1, 2, 2)))
    write_labels(labels, config.parent / "CollectedData.csv")
    here = [
        "data.keypoint_names=null",
        "workflow.ind_csv=CollectedData.csv",
        "workflow.boxes.fixed_size=null",
    ]
    assert main(["check", str(config), "--overrides", *here]) == 0
    assert main(["check", str(config), "--overrides", *here, own]) == 2
    assert told in capsys.readouterr().err
