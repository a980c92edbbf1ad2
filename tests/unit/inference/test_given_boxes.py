"""Boxes that are given (--bbox_dir): what is cropped by them is mapped back by them."""

import shutil

import numpy as np
import pytest

from lightning_pose.data.dataset import select_rows
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import read_pixel_errors, read_predictions
from lightning_pose.types import Boxes
from tests.unit.inference.conftest import COUNT

CSV, CROP = "labels_new.csv", "cropped_images/images_1/img01.context.png"


@pytest.fixture
def detector(trained, tmp_path):
    return shutil.copytree(trained.detector, tmp_path / "detector")


@pytest.fixture
def pose(trained, tmp_path):
    ignored = shutil.ignore_patterns("image_preds", "predictions*", "tb_logs")
    return shutil.copytree(trained.pose, tmp_path / "pose", ignore=ignored)


@pytest.fixture
def boxes(trained, detector, film, tmp_path):
    """Boxes of odd sizes and places around the animals of labels_new.csv and of the film, in a folder."""
    rng, folder = np.random.default_rng(0), tmp_path / "boxes"
    own = read_bboxes(detector / "image_preds" / CSV / "bbox.csv")
    shift = rng.integers(-6, 6, (len(own.index), 2))
    write_bboxes(
        Boxes(own.index[::-1], (own.xywh_px + np.hstack([shift, 9 - shift]))[::-1]), folder / "bbox.csv"
    )
    corners = np.round(film[1].mean(1)) - 45 + rng.integers(-5, 5, (COUNT, 2))
    film_boxes = Boxes(list(range(COUNT)), np.column_stack([corners, np.full((COUNT, 2), 91.0)]))
    write_bboxes(film_boxes, folder / "film_bbox.csv")
    return folder


def assert_near(found, expected, within=1e-3):
    assert found.index == expected.index and found.splits == expected.splits
    np.testing.assert_allclose(found.keypoints_px, expected.keypoints_px, atol=within)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)


def remapped(trained, detector, pose, boxes):
    """Crop by the boxes, predict and map back, each by its command; return the folder of the predictions."""
    assert trained.run("crop", detector, CSV, "--bbox_dir", boxes) == 0
    assert trained.run("predict", pose, detector / "image_preds" / CSV / f"cropped_{CSV}") == 0
    return pose / "image_preds" / f"cropped_{CSV}"


def test_crops_of_frames_are_mapped_back_by_the_boxes_they_were_cut_with(
    trained, detector, pose, boxes, tmp_path
) -> None:
    own = remapped(trained, detector, pose, boxes)
    labels = read_labels(trained.data / CSV)
    found = read_predictions(own / "remapped_predictions.csv")
    away = np.linalg.norm(found.keypoints_px - labels.keypoints_px, axis=-1)
    assert np.median(away) < 4
    _, _, errors, _ = read_pixel_errors(own / "remapped_predictions_pixel_error.csv")
    np.testing.assert_allclose(errors, away, atol=1e-6)
    beside = detector / "image_preds" / CSV / "bbox.csv"
    assert trained.run("remap", own / "predictions.csv", beside, "--output", tmp_path / "again.csv") == 0
    np.testing.assert_array_equal(read_predictions(tmp_path / "again.csv").keypoints_px, found.keypoints_px)
    before = detector / "image_preds" / CSV / "bbox.csv.changed"
    shutil.copy(before, beside)  # the detector's boxes are not those of the crops any more
    assert trained.run("remap", own / "predictions.csv", beside, "--output", tmp_path / "no.csv") == 2


def test_a_cropped_video_is_mapped_back_by_the_boxes_it_was_cut_with(
    trained, detector, pose, boxes, film
) -> None:
    options = ("--bbox_dir", boxes, "--crop_size", "128x128")
    assert trained.run("predict", detector, film[0], "--detector_mode") == 0
    assert trained.run("crop", detector, film[0], *options) == 0
    folder = detector / "video_preds" / "film.mp4"
    beside, given = (read_bboxes(path).xywh_px for path in (folder / "bbox.csv", boxes / "film_bbox.csv"))
    np.testing.assert_array_equal(beside, given)
    assert (folder / "bbox.csv.changed").is_file()
    assert trained.run("predict", pose, folder / "cropped_film.mp4") == 0
    assert trained.run("predict", pose, film[0], "--bbox_dir", boxes) == 0
    found = read_predictions(pose / "video_preds" / "cropped_film.mp4" / "remapped_predictions.csv")
    expected = read_predictions(pose / "video_preds" / "film.mp4" / "predictions.csv")
    away = np.linalg.norm(found.keypoints_px - expected.keypoints_px, axis=-1)
    assert np.median(away) < 0.5  # the video of crops is compressed


def test_crops_that_another_csv_took_the_place_of_are_refused(
    trained, detector, pose, boxes, tmp_path, capsys
) -> None:
    """Crops of all CSVs share a folder: those of one image by other boxes are not this CSV's."""
    some = select_rows(read_labels(trained.data / CSV), [1, 2])
    write_labels(some, tmp_path / "some.csv")
    given = read_bboxes(boxes / "bbox.csv")
    rows = [given.index.index(name) for name in some.image_paths]
    write_bboxes(given.rows(rows), tmp_path / "of_some" / "bbox.csv")
    assert trained.run("crop", detector, tmp_path / "some.csv", "--bbox_dir", tmp_path / "of_some") == 0
    cropped = detector / "image_preds" / CSV / f"cropped_{CSV}"
    options = ("--overrides", f"data.csv_file={cropped}", f"data.data_dir={detector / 'cropped_images'}")
    for arguments in (
        ("predict", pose, cropped),
        ("train", trained.config, "--output_dir", tmp_path / "new", *options),
    ):
        capsys.readouterr()
        assert trained.run(*arguments) == 2
        error = capsys.readouterr().err
        assert f"{CROP}: expected the crop that {cropped.parent / 'crops.json'} tells of" in error
        assert "found another, and 3 more like it" in error and error.count("\n") == 1
    assert not (pose / "image_preds").exists() and not (tmp_path / "new").exists()
    assert trained.run("crop", detector, CSV) == 0
    assert trained.run("predict", pose, cropped) == 0


def test_frames_are_predicted_on_in_boxes_as_by_the_commands_one_after_the_other(
    trained, detector, pose, boxes, tmp_path
) -> None:
    own = remapped(trained, detector, pose, boxes)
    assert trained.run("predict", pose, CSV, "--bbox_dir", boxes) == 0
    folder = pose / "image_preds" / CSV
    found = read_predictions(folder / "predictions.csv")
    assert_near(found, read_predictions(own / "remapped_predictions.csv"))
    in_boxes, in_crops = (
        read_pixel_errors(path)
        for path in (folder / "predictions_pixel_error.csv", own / "remapped_predictions_pixel_error.csv")
    )
    np.testing.assert_allclose(in_boxes[2], in_crops[2], atol=1e-3)
    assert in_boxes[:2] == in_crops[:2] and in_boxes[3] == in_crops[3]
    options = ("--data_dir", trained.data, "--output", tmp_path / "one.csv")
    assert trained.run("predict", pose, trained.data / CSV, "--bbox_dir", boxes, *options) == 0
    assert (tmp_path / "one.csv").read_bytes() == (folder / "predictions.csv").read_bytes()
    names = {path.name for path in folder.iterdir()}
    assert names == {"predictions.csv", "predictions_pixel_error.csv", "provenance.json"}


def test_frames_of_the_training_keep_their_sets(trained, detector, pose, tmp_path) -> None:
    """The detector's own boxes, those of the pose model's training."""
    own = trained.pose / "image_preds" / "cropped_labels.csv" / "remapped_predictions.csv"
    options = ("--bbox_dir", detector / "image_preds", "--output", tmp_path / "found.csv")
    assert trained.run("predict", pose, "labels.csv", *options) == 0
    found = read_predictions(tmp_path / "found.csv")
    assert_near(found, read_predictions(own))
    assert set(found.splits) == {"train", "validation"}


def test_csvs_and_videos_at_once_each_in_its_own_boxes(trained, film, pose, boxes) -> None:
    assert trained.run("predict", pose, CSV, film[0], "--bbox_dir", boxes) == 0
    for path, count in ((f"image_preds/{CSV}", 4), ("video_preds/film.mp4", COUNT)):
        assert len(read_predictions(pose / path / "predictions.csv").index) == count


def test_a_cropzoom_model_takes_boxes_of_frames(trained, pose, boxes, tmp_path) -> None:
    folder = tmp_path / "cropzoom"
    joined = ("create_cropzoom", trained.detector, trained.pose, "--output_dir", folder)
    assert trained.run(*joined) == 0
    assert trained.run("predict", folder, CSV, "--bbox_dir", boxes) == 0
    own = folder / "image_preds" / CSV
    assert trained.run("predict", pose, CSV, "--bbox_dir", boxes, "--output", tmp_path / "pose.csv") == 0
    assert (own / "predictions.csv").read_bytes() == (tmp_path / "pose.csv").read_bytes()
    given, beside = read_bboxes(boxes / "bbox.csv"), read_bboxes(own / "bbox.csv")
    assert beside.index == given.index[::-1]
    np.testing.assert_array_equal(beside.xywh_px, given.xywh_px[::-1])
    assert (own / "predictions_pixel_error.csv").is_file()
    changed = Boxes(given.index[1:], given.xywh_px[1:])
    write_bboxes(changed, boxes / "bbox.csv")
    before = (own / "predictions.csv").read_bytes()
    assert trained.run("predict", folder, CSV, "--bbox_dir", boxes) == 2
    assert (own / "predictions.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "bbox.csv: expected a box for images_1/img00.png of "),
        ("other", "bbox.csv, row 6: expected an image of "),
        ("huge", "box of images_1/img00.png: expected at most 384 px a side, found 40 x 900 px"),
        ("outside", "bbox.csv: expected boxes that lie in the images of "),
        (
            "none",
            "boxes: expected the boxes of labels_new.csv: labels_new.csv/bbox.csv or bbox.csv, found none",
        ),
        ("detector", "--bbox_dir: expected none, since the model was trained on whole frames, found boxes"),
        ("untold", "--bbox_dir: expected a model of crops that `litpose crop` made (or --data_dir"),
        (
            "elsewhere",
            "--data_dir: expected the folder of the frames, since the model was trained on the crops",
        ),
        ("crops_dir", "--data_dir: expected the folder of the frames, found "),
        ("crops", "whose images are crops already, found boxes"),
        ("mode", "--bbox_dir: expected none with --detector_mode, which places boxes itself, found one"),
        ("itself", "bbox.csv: expected a file to write other than those that are read"),
        ("image", "img03.png: expected an image, found no such file"),
    ],
)
def test_boxes_of_frames_that_cannot_be_used(
    trained, detector, pose, boxes, tmp_path, capsys, change, message
) -> None:
    given, model, csv, options = read_bboxes(boxes / "bbox.csv"), pose, CSV, []
    xywh_px, index = given.xywh_px.copy(), list(given.index)
    if change == "missing":
        index, xywh_px = index[:-1], xywh_px[:-1]
    elif change == "other":
        index, xywh_px = [*index, "images_1/img09.png"], np.vstack([xywh_px, xywh_px[:1]])
    elif change == "huge":
        xywh_px[-1, 2:] = 40, 900
    elif change == "outside":
        xywh_px[:, 0] = 96
    write_bboxes(Boxes(index, xywh_px), boxes / "bbox.csv")
    if change == "none":
        (boxes / "bbox.csv").unlink()
    elif change == "detector":
        model, options = detector, ["--data_dir", trained.data]
    elif change == "untold":
        model = detector
    elif change == "elsewhere":
        text = (pose / "config.yaml").read_text()
        alone = shutil.copytree(trained.detector / "cropped_images", tmp_path / "alone" / "cropped_images")
        (pose / "config.yaml").write_text(text.replace(f"{trained.detector}/cropped_images", str(alone)))
        (pose / "provenance.json").unlink()
    elif change == "crops_dir":
        csv, options = trained.data / CSV, ["--data_dir", trained.detector / "cropped_images"]
    elif change == "crops":
        csv = trained.detector / "image_preds" / CSV / f"cropped_{CSV}"
    elif change == "mode":
        options = ["--detector_mode"]
    elif change == "itself":
        options = ["--output", boxes / "bbox.csv"]
    elif change == "image":
        data = shutil.copytree(trained.data, tmp_path / "data")
        (data / "images_1" / "img03.png").unlink()
        options = ["--data_dir", data]
    before = sorted(pose.rglob("*"))
    capsys.readouterr()
    assert trained.run("predict", model, csv, "--bbox_dir", boxes, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error
    assert sorted(pose.rglob("*")) == before and not (detector / "image_preds" / "predictions.csv").exists()
