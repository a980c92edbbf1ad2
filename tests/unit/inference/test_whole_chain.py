"""What is done to all images and labels is done to the predictions, through the real commands.

Detector -> boxes -> crops -> pose model -> remapping -> errors. Both networks are perfect ones, which find
the middle of a red and of a green spot; labels lie beside the spots, so that there are errors to keep.
"""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch.nn import functional as F

from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.geometry.heatmaps import decode
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import read_predictions
from lightning_pose.types import Labels
from tests.unit.training.squares import NAMES

FRAMES, WIDTH, HEIGHT = 6, 220, 180
SPOT_PX = 10.0  # standard deviation
STRIDE = 4
CLOSE_PX = 0.15
CROP_HW = (64, 64)  # of the trained models' settings


@pytest.fixture(autouse=True)
def perfect_networks(monkeypatch) -> None:
    def find(predictor, images):
        colors = [NAMES.index(name) for name in predictor.settings.data.keypoint_names]
        cells = F.avg_pool2d(torch.from_numpy(images[:, colors].astype(np.float64)), STRIDE)
        keypoints_model_px, confidence = decode(torch.log(cells + 1e-9), STRIDE)
        return keypoints_model_px.numpy(), confidence.numpy()

    monkeypatch.setattr(Predictor, "_compute", find)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Where the spots are, and where the labels, (FRAMES, 2, 2) each, frame px."""
    rng = np.random.default_rng(0)
    middle = rng.uniform([80, 70], [140, 110], (FRAMES, 1, 2))
    spots = middle + rng.uniform(12, 20, (FRAMES, 1, 2)) * np.array([[-1, 1], [1, -1]])
    return spots, spots + rng.normal(0, 2, spots.shape)


def draw(spots_px, scale=1):
    rows, columns = np.ogrid[: HEIGHT * scale, : WIDTH * scale]
    image = np.zeros((HEIGHT * scale, WIDTH * scale, 3), np.uint8)
    for channel, (x, y) in enumerate(spots_px):
        squares = (columns - x) ** 2 + (rows - y) ** 2
        image[..., 2 - channel] = np.round(255 * np.exp(-squares / (2 * (scale * SPOT_PX) ** 2)))  # BGR
    return image


class Chain:
    """A folder of images and labels, and what the commands make of it."""

    def __init__(self, trained, folder) -> None:
        self.trained, self.folder, self.data = trained, folder, folder / "data"
        self.detector, self.pose = folder / "detector", folder / "pose"

    def run(self, spots, labels, scale=1, rows=None, ratio=2.5, keypoints=(0, 1)):
        """Return predictions in frame px, (N, 2, 2), and pixel errors, (N, 2), by frame."""
        shutil.copytree(self.trained.detector, self.detector)
        shutil.copytree(self.trained.pose, self.pose)
        self.data.mkdir()
        rows = range(len(spots)) if rows is None else rows
        for row in rows:
            cv2.imwrite(str(self.data / f"img{row}.png"), draw(spots[row], scale))
        paths = [f"img{row}.png" for row in rows]
        names = [NAMES[keypoint] for keypoint in keypoints]
        for model in (self.detector, self.pose):
            settings = yaml.safe_load((model / "config.yaml").read_text())
            settings["data"]["keypoint_names"] = names
            (model / "config.yaml").write_text(yaml.safe_dump(settings))
        write_labels(Labels(paths, names, labels[list(rows)][:, keypoints]), self.data / "labels.csv")
        where = ("--data_dir", self.data)
        options = ("--detector_mode", "--overrides", f"workflow.crop_ratios=[{ratio}]")
        assert self.trained.run("predict", self.detector, "labels.csv", *where, *options) == 0
        self.crops = self.detector / "image_preds" / "labels.csv"
        cropped = self.crops / "cropped_labels.csv"
        assert self.trained.run("predict", self.pose, cropped) == 0
        found = self.pose / "image_preds" / cropped.name
        predictions = read_predictions(found / "remapped_predictions.csv")
        errors = pd.read_csv(found / "remapped_predictions_pixel_error.csv", index_col=0)
        order = np.argsort([str(name) for name in predictions.index])
        assert [str(predictions.index[row]) for row in order] == sorted(paths)
        found_px = predictions.keypoints_px[order][:, [names.index(name) for name in NAMES]]
        return found_px, errors[NAMES].to_numpy()[order]


@pytest.fixture
def chain(trained, tmp_path):
    return Chain(trained, tmp_path / "changed")


@pytest.fixture
def plain(trained, tmp_path, scene):
    return Chain(trained, tmp_path / "plain").run(*scene)


def test_spots_are_found_where_they_are(plain, scene) -> None:
    (spots, labels), (found, errors) = scene, plain
    assert np.abs(found - spots).max() < CLOSE_PX
    np.testing.assert_allclose(errors, np.linalg.norm(found - labels, axis=-1), atol=1e-4)
    assert np.median(errors) > 1


@pytest.mark.parametrize("shift", [(17, -11), (-23, 8)])
def test_predictions_move_with_images_and_labels(plain, chain, scene, shift) -> None:
    found, errors = chain.run(*(own + shift for own in scene))
    assert np.abs(found - shift - plain[0]).max() < CLOSE_PX
    assert np.abs(errors - plain[1]).max() < CLOSE_PX


def test_a_mirror_mirrors_the_predictions(plain, chain, scene) -> None:
    found, errors = chain.run(*([WIDTH - 1, 0] + own * [-1, 1] for own in scene))
    assert np.abs([WIDTH - 1, 0] + found * [-1, 1] - plain[0]).max() < CLOSE_PX
    assert np.abs(errors - plain[1]).max() < CLOSE_PX


def test_the_order_of_rows_changes_nothing(plain, chain, scene) -> None:
    found, errors = chain.run(*scene, rows=[3, 0, 5, 1, 4, 2])
    np.testing.assert_array_equal(found, plain[0])
    np.testing.assert_array_equal(errors, plain[1])


def test_the_order_of_keypoints_changes_nothing(plain, chain, scene) -> None:
    found, errors = chain.run(*scene, keypoints=(1, 0))
    np.testing.assert_array_equal(found, plain[0])
    np.testing.assert_array_equal(errors, plain[1])


def test_a_frame_twice_as_large_has_errors_twice_as_large(plain, chain, scene) -> None:
    found, errors = chain.run(*((own + 0.5) * 2 - 0.5 for own in scene), scale=2)
    assert np.abs((found + 0.5) / 2 - 0.5 - plain[0]).max() < CLOSE_PX
    assert np.abs(errors / 2 - plain[1]).max() < CLOSE_PX


@pytest.mark.parametrize("ratio", [2.0, 3.5])
def test_another_crop_ratio_gives_the_same_labels_and_keypoints(plain, chain, scene, ratio) -> None:
    found, errors = chain.run(*scene, ratio=ratio)
    assert np.abs(found - plain[0]).max() < CLOSE_PX
    assert np.abs(errors - plain[1]).max() < CLOSE_PX
    boxes = read_bboxes(chain.crops / "bbox.csv").xywh_px
    labels_crop_px = read_labels(chain.crops / "cropped_labels.csv").keypoints_px
    back = crop_to_frame(labels_crop_px, boxes, CROP_HW)
    assert np.abs(back - scene[1]).max() < 1e-3
