"""Predictions in pixels of the image that was given, from a network that is right by construction."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from lightning_pose.config import load_config, to_yaml
from lightning_pose.geometry.heatmaps import decode
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.labels import read_labels
from lightning_pose.types import UserError


class Bright(nn.Module):
    """Takes the brightness, averaged over each heatmap cell, for the heatmap of both keypoints."""

    stride = 4

    def forward(self, images):
        return F.avg_pool2d(images[:, :1].float() / 10, self.stride).expand(-1, 2, -1, -1)

    def decode(self, output):
        return decode(output, self.stride)


def hill(folder, name, width, height, x, y):
    """Write an image whose brightness falls as a parabola from (x, y), on the model's scale of 64x64."""
    columns, rows = (np.arange(width) - x) * 64 / width, (np.arange(height) - y) * 64 / height
    image = 250 - 0.5 * (rows[:, None] ** 2 + columns[None] ** 2)
    assert cv2.imwrite(str(folder / name), image.clip(0, 255).round().astype(np.uint8))


@pytest.fixture
def predictor(trained):
    own = Predictor(trained.detector)
    own.trained = replace(own.trained, load=Bright)
    return own


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (256, 192), (96, 80), (50, 120), (32, 32)])
def test_a_bright_spot_is_found_in_pixels_of_its_image(predictor, tmp_path, size) -> None:
    width, height = size
    spots = np.array([[0.3, 0.6], [0.5, 0.5], [0.8, 0.2]]) * size - 0.5
    for row, spot in enumerate(spots):
        hill(tmp_path, f"{row}.png", width, height, *spot)
    predictions = predictor.predict_images([f"{row}.png" for row in range(3)], tmp_path)
    assert predictions.keypoints_px.shape == (3, 2, 2)
    model_px = np.abs(predictions.keypoints_px - spots[:, None]) * 64 / np.array(size)
    print("MAX", model_px.max())
    assert model_px.max() < 0.3


def test_images_of_different_sizes_share_a_batch(predictor, tmp_path) -> None:
    spots = {"a.png": (100, 40, 20.0, 30.0), "b.png": (64, 200, 30.0, 150.0), "c.png": (64, 64, 10.0, 50.0)}
    for name, spot in spots.items():
        hill(tmp_path, name, *spot)
    predictor.settings.training.test_batch_size = 3
    predictions = predictor.predict_images(list(spots), tmp_path)
    expected = np.array([spot[2:] for spot in spots.values()])
    np.testing.assert_allclose(predictions.keypoints_px[:, 0], expected, atol=0.1)
    assert predictions.index == list(spots)


def test_a_grey_image_is_as_good_as_a_coloured_one(trained, tmp_path) -> None:
    own = Predictor(trained.detector)
    grey = np.random.default_rng(0).integers(0, 255, (80, 96), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "colour.png"), np.repeat(grey[..., None], 3, -1))
    keypoints_px = own.predict_images(["grey.png", "colour.png"], tmp_path).keypoints_px
    np.testing.assert_allclose(keypoints_px[0], keypoints_px[1], atol=1e-3)


def test_colours_are_not_swapped(trained, tmp_path) -> None:
    seen = []
    own = Predictor(trained.detector)
    own.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    cv2.imwrite(str(tmp_path / "red.png"), np.full((80, 96, 3), (0, 0, 200), np.uint8))
    own.predict_images(["red.png"], tmp_path)
    assert seen[0].shape == (1, 3, 64, 64)
    assert [int(channel.unique()) for channel in seen[0][0]] == [200, 0, 0]


@pytest.mark.parametrize("size", [1, 4, 5, 100])
def test_where_batches_end_changes_nothing(trained, size) -> None:
    labels = read_labels(trained.data / "labels.csv")
    own = Predictor(trained.detector)
    first = own.predict_images(labels.image_paths, trained.data)
    assert own.settings.training.test_batch_size == 3
    own.settings.training.test_batch_size = size
    again = own.predict_images(labels.image_paths, trained.data)
    assert again.index == first.index == labels.image_paths
    np.testing.assert_allclose(again.keypoints_px, first.keypoints_px, atol=1e-2)
    np.testing.assert_allclose(again.confidence, first.confidence, atol=1e-3)


def test_the_order_of_the_images_is_kept(trained) -> None:
    paths = read_labels(trained.data / "labels.csv").image_paths
    own = Predictor(trained.detector)
    forth, back = (own.predict_images(order, trained.data) for order in (paths, paths[::-1]))
    np.testing.assert_allclose(back.keypoints_px[::-1], forth.keypoints_px, atol=1e-2)
    assert back.splits == forth.splits[::-1]


def test_it_learned_and_says_what_each_image_was_used_for(trained) -> None:
    labels = read_labels(trained.data / "labels.csv")
    predictions = Predictor(trained.detector).predict_images(labels.image_paths, trained.data)
    assert predictions.keypoint_names == labels.keypoint_names
    assert sorted(predictions.splits) == ["train"] * 13 + ["validation"] * 3
    assert (predictions.confidence >= 0).all() and (predictions.confidence <= 1).all()
    assert np.linalg.norm(predictions.keypoints_px - labels.keypoints_px, axis=-1).mean() < 4
    new = read_labels(trained.data / "labels_new.csv").image_paths
    assert Predictor(trained.detector).predict_images(new, trained.data).splits == ["test"] * 4


def test_predicting_trains_nothing(trained) -> None:
    own = Predictor(trained.detector)
    before = {key: value.clone() for key, value in own.network.state_dict().items()}
    own.predict_images(read_labels(trained.data / "labels.csv").image_paths, trained.data)
    assert not own.network.training
    assert all(torch.equal(value, before[key]) for key, value in own.network.state_dict().items())


def test_no_images_no_predictions(trained) -> None:
    predictions = Predictor(trained.detector).predict_images([], trained.data)
    assert predictions.keypoints_px.shape == (0, 2, 2) and predictions.confidence.shape == (0, 2)


@pytest.mark.parametrize(("content", "found"), [(None, "no such file"), (b"no image", "unreadable")])
def test_an_image_that_cannot_be_read_is_named(trained, tmp_path, content, found) -> None:
    if content:
        (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(UserError, match=rf"bad\.png: expected an image, found {found}"):
        Predictor(trained.detector).predict_images(["bad.png"], tmp_path)


@pytest.fixture
def copied(trained, tmp_path):
    """Copy what a predictor needs of the detector."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.yaml", "splits.json", "model.safetensors"):
        shutil.copy(trained.detector / name, folder)
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.yaml", "a trained model's folder with config.yaml"),
        ("splits.json", r"splits\.json: expected the splits of a training, found no such file"),
        (
            "model.safetensors",
            r"model\.safetensors: expected trained weights \(the training has not",
        ),
    ],
)
def test_a_file_that_is_missing_is_named(copied, name, message) -> None:
    (copied / name).unlink()
    with pytest.raises(UserError, match=message):
        Predictor(copied)


@pytest.mark.parametrize("content", ['{"a": ', "[1]", '{"a.png": "holiday"}'])
def test_damaged_splits(copied, content) -> None:
    (copied / "splits.json").write_text(content)
    with pytest.raises(UserError, match=r"splits\.json: .*damaged"):
        Predictor(copied)


def test_no_folder_at_all(tmp_path) -> None:
    with pytest.raises(UserError, match="nowhere: expected a trained model's folder"):
        Predictor(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-100], lambda content: content[:6], lambda _: b"", lambda _: b"text" * 99],
    ids=["cut short", "cut in the header", "empty", "text"],
)
def test_damaged_weights_are_refused(copied, damage) -> None:
    file = copied / "model.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match=r"model\.safetensors: expected readable weights"):
        Predictor(copied)


@pytest.fixture(params=["images", "video", "shard"])
def use(request):
    """What a network is used for; its weights are refused before anything is looked at."""
    if request.param == "images":
        return lambda predictor: predictor.predict_images(["nowhere.png"], predictor.model_dir)
    return lambda predictor: predictor.for_video(is_shared=request.param == "shard")


@pytest.mark.parametrize(
    "change",
    [{"backbone": "resnet18"}, {"head_channels": 8}, {"backbone": "mobilenetv3_small_075"}],
    ids=str,
)
def test_weights_of_another_network_are_refused(copied, change, use) -> None:
    settings = load_config(copied / "config.yaml")
    (copied / "config.yaml").write_text(to_yaml(replace(settings, model=replace(settings.model, **change))))
    with pytest.raises(UserError, match=r"model\.safetensors: expected weights of .*differences in .* more"):
        use(Predictor(copied))


def test_surplus_weights_are_refused(copied, use) -> None:
    file = copied / "model.safetensors"
    save_file({**load_file(file), "head.extra": torch.zeros(1)}, file)
    with pytest.raises(UserError, match=r"differences in head\.extra"):
        use(Predictor(copied))


def test_weights_for_other_keypoints_are_refused(copied, use) -> None:
    settings = load_config(copied / "config.yaml")
    data = replace(settings.data, keypoint_names=["a", "b", "c"], num_keypoints=3)
    (copied / "config.yaml").write_text(to_yaml(replace(settings, data=data)))
    with pytest.raises(UserError, match=r"differences in head\.predict\.linear\.weight .*linear\.bias"):
        use(Predictor(copied))
