"""Folders are told apart by their names."""

import shutil
from pathlib import Path

import pytest

from lightning_pose.io.bundle import bundle
from lightning_pose.io.results_tree import ModelDir, count_images, find_crops, find_models
from lightning_pose.sweep import all_variants, declared_models


def test_every_model_that_settings_declare_is_found_again(tmp_path: Path) -> None:
    variants = all_variants(
        {"semi": {"settings": {}}, "big": {"model": "single", "settings": {}}}, [50, 0.25]
    )
    declared = declared_models([0, 12], [1.8, 2.0], variants)
    for own in declared:
        (tmp_path / own.folder).mkdir()
    found = {(own.kind, own.seed, own.path.name) for own in find_models(tmp_path)}
    assert found == {(own.kind, str(own.seed), own.folder) for own in declared}
    assert len(found) == 2 * (6 + 2 * 6)  # seeds; six detectors; six pose models of each crop ratio


@pytest.mark.parametrize(
    "name", ["crop_0_1.8", "cropzoom_0_1.8", "pose_0", "single_0_1.8", "single_x", "single-a_b_0", "logs"]
)
def test_other_folders_are_no_models(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "single_0").touch()  # no folder
    assert find_models(tmp_path) == []


@pytest.mark.parametrize("packed", ["mouse", "."])
def test_models_of_an_unpacked_bundle_were_trained(tmp_path: Path, packed: str) -> None:
    results = tmp_path / "results"
    for name, files in {"single_0": ("model.safetensors", "origin.json"), "single_1": ()}.items():
        (results / "mouse" / name).mkdir(parents=True)
        for file in ("config.yaml", *files):
            (results / "mouse" / name / file).touch()
    bundle(results / packed, tmp_path / "all.zip")
    shutil.unpack_archive(tmp_path / "all.zip", tmp_path / "there" / ("results" if packed == "mouse" else ""))
    assert [own.is_trained for own in find_models(tmp_path / "there" / "results" / "mouse")] == [True, False]
    (results / "mouse" / "single_0" / "model.safetensors").unlink()
    assert not any(own.is_trained for own in find_models(results / "mouse"))


def test_predictions_in_frame_pixels_and_their_errors() -> None:
    detector, pose = ModelDir("single-a", "0", Path("s")), ModelDir("pose_1.8", "0", Path("p"))
    assert str(detector.predictions("a.csv")) == "s/image_preds/a.csv/predictions.csv"
    assert str(detector.pixel_errors("a.csv")) == "s/image_preds/a.csv/predictions_pixel_error.csv"
    folder = "p/image_preds/cropped_a.csv"
    assert str(pose.predictions("a.csv")) == f"{folder}/remapped_predictions.csv"
    assert str(pose.pixel_errors("a.csv")) == f"{folder}/remapped_predictions_pixel_error.csv"


def test_crops_of_labelled_sets_and_videos(tmp_path: Path) -> None:
    for name in (
        "crop_0_1.8/a.csv",
        "crop_0_1.8/cropped_images",
        "cropzoom_0_1.8/video_preds/b.mp4",
        "other/c.csv",
    ):
        (tmp_path / name).mkdir(parents=True)
        if not name.endswith("images"):
            (tmp_path / name / "bbox.csv").touch()
    found = [str(path.relative_to(tmp_path)) for path in find_crops(tmp_path)]
    assert found == ["crop_0_1.8/a.csv", "cropzoom_0_1.8/video_preds/b.mp4"]


def test_images_are_counted_where_an_index_tells(tmp_path: Path) -> None:
    (tmp_path / "data" / "a.csv").mkdir(parents=True)
    index = tmp_path / "data" / "a.csv" / "images.json"
    for text, expected in (('{"images": {"x": {}, "y": {}}}', 2), ("[]", None), ("{", None)):
        index.write_text(text)
        assert count_images(tmp_path, "a.csv") == expected
    assert count_images(tmp_path, "b.csv") is None
