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
