"""The command line from training to remapped predictions, on a detector and a pose model trained once."""

import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import load_config, to_yaml
from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.inference import run
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.model_dir import read_splits
from lightning_pose.io.predictions import read_pixel_errors, read_predictions
from lightning_pose.types import BoxStatus, Labels

CSVS = ["labels.csv", "labels_new.csv"]
CROP_HW = (64, 64)
MODEL_FILES = {
    "config.yaml", "splits.json", "model.safetensors", "tb_logs", "image_preds",
    "predictions.csv", "predictions_pixel_error.csv",
}  # fmt: skip


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def distance(predictions, labels):
    return np.linalg.norm(predictions.keypoints_px - labels.keypoints_px, axis=-1)


@pytest.fixture
def detector(trained, tmp_path):
    """Copy the detector's folder, without what it predicted."""
    return shutil.copytree(
        trained.detector,
        tmp_path / "detector",
        ignore=shutil.ignore_patterns("image_preds", "cropped_images", "predictions*", "tb_logs"),
    )


def test_training_ends_with_predictions_on_the_csv_and_its_sibling(trained) -> None:
    assert names_in(trained.detector) >= MODEL_FILES
    for name in CSVS:
        labels = read_labels(trained.data / name)
        folder = trained.detector / "image_preds" / name
        predictions = read_predictions(folder / "predictions.csv")
        index, keypoints, errors, splits = read_pixel_errors(folder / "predictions_pixel_error.csv")
        assert predictions.index == index == labels.image_paths
        assert predictions.keypoint_names == keypoints == labels.keypoint_names
        np.testing.assert_array_equal(errors, distance(predictions, labels))
        assert predictions.splits == splits
        assert set(splits) == ({"train", "validation"} if name == CSVS[0] else {"test"})
        assert errors.mean() < 5


def test_the_model_folder_has_a_copy_of_the_first_predictions(trained) -> None:
    for model, name in ((trained.detector, "labels.csv"), (trained.pose, "cropped_labels.csv")):
        for file in ("predictions.csv", "predictions_pixel_error.csv"):
            copied = model / "image_preds" / name / file
            assert (model / file).read_bytes() == copied.read_bytes()


def test_predictions_can_be_left_out(trained, tmp_path) -> None:
    options = ("--skip_predict", "--overrides", "training.max_steps=1")
    assert trained.run("train", trained.config, "--output_dir", tmp_path / "model", *options) == 0
    assert names_in(tmp_path / "model") == {
        "config.yaml", "splits.json", "model.safetensors", "origin.json", "tb_logs", "train_status.json",
        "provenance.json",
    }  # fmt: skip
    assert load_config(tmp_path / "model" / "config.yaml").training.max_steps == 1


def test_a_pose_model_trains_on_the_detectors_crops_with_its_own_settings(trained) -> None:
    settings = load_config(trained.pose / "config.yaml")
    assert settings.data.data_dir == str(trained.detector / "cropped_images")
    assert settings.data.csv_file == str(trained.detector / "image_preds/labels.csv/cropped_labels.csv")
    assert settings.training.max_steps == 150
    assert load_config(trained.detector / "config.yaml").training.max_steps == 100
    assert names_in(trained.pose) >= MODEL_FILES
    assert names_in(trained.pose / "image_preds") == {f"cropped_{name}" for name in CSVS}


@pytest.mark.parametrize("name", CSVS)
def test_labels_of_the_data_folder_are_not_overwritten(trained, detector, capsys, name) -> None:
    before = (trained.data / name).read_bytes()
    assert trained.run("predict", detector, name, "--output", trained.data / name) == 2
    assert "other than those that are read" in capsys.readouterr().err
    assert (trained.data / name).read_bytes() == before


def test_a_detector_takes_no_crops(trained, detector, capsys) -> None:
    crops = trained.detector / "image_preds" / "labels.csv" / "cropped_labels.csv"
    assert trained.run("predict", detector, crops) == 2
    assert "expected whole frames, as labels.csv of the training, or --data_dir" in capsys.readouterr().err
    assert not (detector / "image_preds").exists()


@pytest.mark.parametrize("name", CSVS)
def test_boxes_hold_what_was_detected_and_crops_show_them(trained, name) -> None:
    folder = trained.detector / "image_preds" / name
    predictions, boxes = read_predictions(folder / "predictions.csv"), read_bboxes(folder / "bbox.csv")
    assert boxes.index == predictions.index
    assert set(boxes.status) == {BoxStatus.DETECTED.value}
    inside = predictions.keypoints_px - boxes.xywh_px[:, None, :2] + 0.5
    assert (inside >= 0).all() and (inside <= boxes.xywh_px[:, None, 2:]).all()
    labels, cropped = read_labels(trained.data / name), read_labels(folder / f"cropped_{name}")
    np.testing.assert_allclose(
        crop_to_frame(cropped.keypoints_px, boxes.xywh_px, CROP_HW), labels.keypoints_px, atol=1e-6
    )
    for path, (square, cross) in zip(cropped.image_paths, cropped.keypoints_px, strict=True):
        crop = cv2.imread(str(trained.detector / "cropped_images" / path)).astype(int)
        assert crop.shape == (*CROP_HW, 3)
        for (x, y), color in ((square, (255, 255, 255)), (cross, (30, 30, 230))):
            assert np.abs(crop[round(y), round(x)] - color).max() < 40  # BGR, at the labelled place


@pytest.mark.parametrize("name", CSVS)
def test_the_pose_models_predictions_are_remapped_to_the_frame(trained, name) -> None:
    folder = trained.pose / "image_preds" / f"cropped_{name}"
    crops, frames = (read_predictions(folder / f"{kind}predictions.csv") for kind in ("", "remapped_"))
    labels = read_labels(trained.data / name)
    boxes = read_bboxes(trained.detector / "image_preds" / name / "bbox.csv")
    assert crops.index == labels.image_paths  # crops are PNGs, as the frames are here
    assert frames.index == labels.image_paths
    np.testing.assert_allclose(frames.keypoints_px, crop_to_frame(crops.keypoints_px, boxes.xywh_px, CROP_HW))
    np.testing.assert_array_equal(frames.confidence, crops.confidence)
    assert frames.splits == crops.splits
    _, _, errors, splits = read_pixel_errors(folder / "remapped_predictions_pixel_error.csv")
    np.testing.assert_allclose(errors, distance(frames, labels), atol=1e-6)
    assert splits == frames.splits and errors.mean() < 5


def test_the_pose_model_splits_as_the_detector_did(trained) -> None:
    assert read_splits(trained.detector) == read_splits(trained.pose)


def test_detector_mode_writes_boxes_crops_and_their_labels(trained, detector) -> None:
    assert trained.run("predict", detector, "labels.csv", "labels_new.csv", "--detector_mode") == 0
    for name in CSVS:
        folder = detector / "image_preds" / name
        assert {"predictions.csv", "predictions_pixel_error.csv", "bbox.csv", f"cropped_{name}"} <= names_in(
            folder
        )
        for file in ("predictions.csv", "bbox.csv", f"cropped_{name}"):
            again = trained.detector / "image_preds" / name / file
            assert (folder / file).read_text() == again.read_text()
        for path in read_labels(folder / f"cropped_{name}").image_paths:
            assert cv2.imread(str(detector / "cropped_images" / path)).shape == (*CROP_HW, 3)


def test_without_detector_mode_nothing_is_cropped(trained, detector) -> None:
    assert trained.run("predict", detector, trained.data / "labels_new.csv") == 0
    assert names_in(detector / "image_preds") == {"labels_new.csv"}
    files = {"predictions.csv", "predictions_pixel_error.csv", "provenance.json"}
    assert names_in(detector / "image_preds" / "labels_new.csv") == files
    assert not (detector / "cropped_images").exists()


def test_output_goes_where_it_is_told(trained, detector, tmp_path) -> None:
    before = names_in(detector)
    output = tmp_path / "deep" / "own.csv"
    assert trained.run("predict", detector, "labels.csv", "--output", output) == 0
    assert names_in(output.parent) == {"own.csv", "provenance.json"}
    assert names_in(detector) == before
    usual = trained.detector / "image_preds" / "labels.csv" / "predictions.csv"
    assert output.read_text() == usual.read_text()


def test_images_of_another_folder(trained, detector, tmp_path) -> None:
    moved = shutil.copytree(trained.data, tmp_path / "moved")
    for path in (moved / "images_1").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path))[:, ::-1])
    assert trained.run("predict", detector, "labels_new.csv", "--data_dir", moved) == 0
    own = read_predictions(detector / "image_preds" / "labels_new.csv" / "predictions.csv").keypoints_px
    usual = trained.detector / "image_preds" / "labels_new.csv" / "predictions.csv"
    mirrored = read_predictions(usual).keypoints_px * [-1, 1] + [95, 0]
    assert np.median(np.linalg.norm(own - mirrored, axis=-1)) < 4


def test_crops_are_predicted_on_without_saying_where_they_are(trained, tmp_path) -> None:
    pose = tmp_path / "pose"
    shutil.copytree(trained.pose, pose, ignore=shutil.ignore_patterns("image_preds", "tb_logs"))
    settings = load_config(pose / "config.yaml")
    elsewhere = replace(settings, data=replace(settings.data, data_dir=str(tmp_path / "gone")))
    (pose / "config.yaml").write_text(to_yaml(elsewhere))
    cropped = trained.detector / "image_preds" / "labels_new.csv" / "cropped_labels_new.csv"
    assert trained.run("predict", pose, cropped) == 0
    folder, usual = (model / "image_preds" / cropped.name for model in (pose, trained.pose))
    assert names_in(folder) == names_in(usual)
    for name in names_in(usual) - {"provenance.json"}:  # which tells them apart
        assert (folder / name).read_text() == (usual / name).read_text()


@pytest.fixture
def crops_again(trained, tmp_path, monkeypatch):
    """Ask for a detector's crops a second time; return a call that also counts the networks loaded."""
    detector = shutil.copytree(trained.detector, tmp_path / "detector")
    workflow = load_config(trained.config).workflow
    loaded = []

    class Counted(Predictor):
        def __init__(self, folder):
            loaded.append(folder)
            super().__init__(folder)

    monkeypatch.setattr(run, "Predictor", Counted)

    def again(data=trained.data, **changes):
        csvs = [data / name for name in CSVS]
        cropped = run.crops_for(detector, csvs, data, replace(workflow, **changes))
        assert cropped == [detector / "image_preds" / name / f"cropped_{name}" for name in CSVS]
        return len(loaded), detector

    return again


def test_predictions_and_crops_that_are_up_to_date_stay(crops_again, trained) -> None:
    def times(folder):
        paths = folder.rglob("img*.png")
        return {path.relative_to(folder): path.stat().st_mtime_ns for path in paths}

    loaded, detector = crops_again()
    assert loaded == 0
    assert times(detector) == times(trained.detector)
    assert len(times(detector)) >= 20


def test_other_images_or_weights_are_predicted_on_anew(crops_again, trained, tmp_path) -> None:
    data = shutil.copytree(trained.data, tmp_path / "data")
    image = data / "images_1" / "img00.png"
    cv2.imwrite(str(image), cv2.imread(str(image))[::-1])
    loaded, detector = crops_again(data)
    assert loaded == 1
    before = read_predictions(trained.detector / "image_preds" / "labels_new.csv" / "predictions.csv")
    after = read_predictions(detector / "image_preds" / "labels_new.csv" / "predictions.csv")
    moved = np.linalg.norm(after.keypoints_px - before.keypoints_px, axis=-1).max(-1)
    assert moved[0] > 1 and (moved[1:] < 0.1).all()
    shutil.copy(trained.pose / "model.safetensors", detector)
    assert crops_again(data)[0] == 2  # once more for both CSVs


def test_another_crop_ratio_crops_anew_from_the_same_predictions(crops_again, trained) -> None:
    loaded, detector = crops_again(crop_ratios=[4.0])
    assert loaded == 0
    small, large = (
        read_bboxes(folder / "image_preds" / "labels.csv" / "bbox.csv").xywh_px[:, 2]
        for folder in (trained.detector, detector)
    )
    np.testing.assert_allclose(large / small, 4 / 2.5, rtol=0.1)


@pytest.fixture
def refused(trained, tmp_path, capsys):
    """Run what must be refused: exit code 2, one line without a traceback, nothing written."""

    def run_and_match(message, *arguments):
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        assert trained.run(*arguments) == 2
        shown = capsys.readouterr().err
        assert re.search(message, shown), shown
        assert shown.startswith("litpose ") and shown.count("\n") == 1, shown
        assert sorted(tmp_path.rglob("*")) == before

    return run_and_match


def test_a_model_folder_that_is_none(refused, trained, tmp_path, detector) -> None:
    refused("expected a trained model's folder", "predict", tmp_path, trained.data / "labels.csv")
    (detector / "model.safetensors").unlink()
    refused(r"model\.safetensors: expected trained weights", "predict", detector, "labels.csv")
    options = ("--output_dir", tmp_path / "pose", "--detector_model", tmp_path / "nowhere")
    refused("nowhere: expected a trained model's folder", "train", trained.config, *options)


def test_a_model_that_upstream_trained(refused, trained, tmp_path, detector) -> None:
    (detector / "model.safetensors").unlink()
    (detector / "splits.json").unlink()
    checkpoint = detector / "tb_logs" / "test" / "version_0" / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    message = r"expected a trained model's folder .*, found one of Lightning Pose \(best\.ckpt\)"
    refused(message, "predict", detector, "labels.csv")
    refused(message, "create_cropzoom", detector, trained.pose, "--output_dir", tmp_path / "both")
    train = ("train", trained.config, "--output_dir", tmp_path / "pose")
    refused(message, *train, "--detector_model", detector)
    refused(f"model.checkpoint .*{message}", *train, "--overrides", f"model.checkpoint={detector}")


def test_crops_of_an_interrupted_command(refused, trained, tmp_path) -> None:
    """Some are of new boxes by then, and the labels of the old ones."""
    detector = shutil.copytree(trained.detector, tmp_path / "crops")
    csv = detector / "image_preds" / "labels_new.csv" / "cropped_labels_new.csv"
    crop = detector / "cropped_images" / read_labels(csv).image_paths[0]
    other = detector / "cropped_images" / read_labels(csv).image_paths[1]
    shutil.copyfile(other, crop)
    message = f"{crop.name}: expected the crop that .*crops.json tells of .crop again., found another"
    refused(message, "predict", trained.pose, csv)


def test_a_csv_that_is_none(refused, detector, trained) -> None:
    refused(r"other\.csv: expected a labels CSV, here or in .*no such", "predict", detector, "other.csv")
    image = trained.data / "images_0" / "img00.png"
    refused(r"expected a labels CSV or a video .*, found a \.png file", "predict", detector, image)


@pytest.mark.parametrize("names", [["square", "circle"], ["cross", "square"], ["square"]])
def test_a_csv_with_other_keypoints(refused, detector, tmp_path, names) -> None:
    write_labels(Labels(["a.png"], names, np.ones((1, len(names), 2))), tmp_path / "other.csv")
    message = r"other\.csv, header: expected the model's keypoints \['square', 'cross'\]"
    refused(message, "predict", detector, tmp_path / "other.csv")


def test_one_output_for_the_many_files_of_a_detector(refused, detector, tmp_path) -> None:
    options = ("--output", tmp_path / "out.csv", "--detector_mode")
    refused("--output: expected none with --detector_mode", "predict", detector, "labels.csv", *options)


@pytest.mark.parametrize("override", ["training.test_batch=3", "training.test_batch_size=0"])
def test_overrides_of_a_prediction_are_checked(refused, detector, override) -> None:
    refused("training.test_batch", "predict", detector, "labels.csv", "--overrides", override)


def test_one_output_for_two_inputs(refused, detector, tmp_path) -> None:
    options = ("--output", tmp_path / "out.csv")
    refused("--output: expected one input, found 2", "predict", detector, "a.csv", "b.csv", *options)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("data.csv_file=other.csv", r"other\.csv: expected a CSV file, found no such file"),
        ("data.data_dir=nowhere", r"data\.data_dir: expected a folder, found nowhere"),
        ("data.csv_file=labels_new.csv data.keypoint_names=[square,circle]", "no circle; unknown cross"),
        ("training.max_step=3", r"training\.max_step: .*did you mean max_steps"),
        ("training.max_steps=0", r"training\.max_steps: expected at least 1"),
        (
            "model.checkpoint=nowhere.pth",
            r"model\.checkpoint nowhere\.pth: expected a file of weights",
        ),
        (
            "model.backbone_checkpoint=nowhere",
            r"backbone_checkpoint nowhere: expected a file of weights",
        ),
        ("training.imgaug=dcl", r"training\.imgaug: expected one of .*found dcl"),
        (
            "training.imgaug={rotation:x}",
            r"training\.imgaug\.rotation: expected a number from 0 to 180, found x",
        ),
        ("training.imgaug={scale:0}", r"training\.imgaug\.scale: expected a number from 1 to 4, found 0"),
        ("training.num_gpus=2", r"training\.num_gpus: expected at most 1"),
        ("training.rng_seed_model_pt=-1", r"training\.rng_seed_model_pt: expected at least 0"),
        ("training.optimizer_params.weight_decay=-1", r"weight_decay: expected at least 0, found -1"),
        ("model.heatmap_sigma=1e-3", r"model\.heatmap_sigma: expected 0\.3 to 20"),
        ("model.backbone=resnet81", r"model\.backbone: .*did you mean resnet"),
        ("model.weights=packaged", r"model\.weights: expected auto, pretrained or random"),
        (
            "model.backbone=nest_tiny data.image_resize_dims.width=32",
            r"nest_tiny: expected a network that takes images of",
        ),
    ],
)
def test_a_training_that_cannot_work(refused, trained, tmp_path, overrides, message) -> None:
    options = ("--output_dir", tmp_path / "model", "--overrides", *overrides.split())
    refused(message, "train", trained.config, *options)


def test_every_image_that_is_missing_has_its_line(trained, tmp_path, capsys) -> None:
    data = shutil.copytree(trained.data, tmp_path / "data")
    for row in (2, 5):
        (data / "images_0" / f"img{row:02d}.png").unlink()
    options = ("--output_dir", tmp_path / "model", "--overrides", f"data.data_dir={data}")
    capsys.readouterr()
    assert trained.run("train", trained.config, *options) == 2
    shown = capsys.readouterr().err.splitlines()
    assert [line.split(": expected")[0].rsplit(", ", 1)[1] for line in shown] == [
        "images_0/img02.png",
        "images_0/img05.png",
    ]
    assert not (tmp_path / "model").exists()


def test_detector_and_pose_model_meet_in_the_plots(trained, tmp_path) -> None:
    def member(kind, model, prefix, name):
        files = [model / "image_preds" / f"{prefix}{csv}" / name for csv in CSVS]
        return "--member", kind, "0", *map(str, files)

    members = [
        *member("single", trained.detector, "", "predictions.csv"),
        *member("cropzoom", trained.pose, "cropped_", "remapped_predictions.csv"),
    ]
    labels = ["--ind_labels", str(trained.data / CSVS[0]), "--ood_labels", str(trained.data / CSVS[1])]
    outputs = ["--metrics", str(tmp_path / "metrics.csv"), "--output", str(tmp_path / "plots.pdf")]
    assert main(["plot_ood", *labels, *members, *outputs]) == 0
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    errors = [row for row in rows if row.startswith("samples,") and ",pixel_error," in row]
    assert len(errors) == 2 * 2 * (3 + 4)  # kinds, keypoints, held-out and OOD frames
    assert (tmp_path / "plots.pdf").read_bytes().startswith(b"%PDF")
