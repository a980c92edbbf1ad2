"""Networks that start from a trained one: all of it, or an error."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lightning_pose.models.build import build_network, empty_network
from lightning_pose.settings import DataSettings, ImageDims, ModelSettings, ModelType, Settings, Weights
from lightning_pose.types import UserError


def settings(checkpoint=None, **model):
    own = {"backbone": "mobilenetv3_small_050", "weights": Weights.random, "head_channels": 8, **model}
    return Settings(
        data=DataSettings(ImageDims(64, 96)),
        model=ModelSettings(checkpoint=None if checkpoint is None else str(checkpoint), **own),
    )


@pytest.fixture
def trained(tmp_path):
    """Return a model folder's weights of three keypoints."""
    torch.manual_seed(5)
    network = empty_network(settings(), 3)
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(
        {key: value.contiguous() for key, value in network.state_dict().items()}, folder / "model.safetensors"
    )
    torch.save(network.state_dict(), tmp_path / "model.pth")
    return folder, network


@pytest.mark.parametrize("kind", ["folder", "safetensors", "pth"])
def test_a_training_starts_from_a_trained_model(trained, kind) -> None:
    folder, network = trained
    path = {
        "folder": folder,
        "safetensors": folder / "model.safetensors",
        "pth": folder.parent / "model.pth",
    }[kind]
    own = build_network(settings(path), 3).state_dict()
    assert all(torch.equal(own[key], value) for key, value in network.state_dict().items())


def test_statistics_that_were_learned_stay(trained) -> None:
    assert build_network(settings(trained[0]), 3).freezes_batch_norm
    assert not build_network(settings(), 3).freezes_batch_norm


@pytest.mark.parametrize(
    ("change", "keypoints"),
    [
        ({"backbone": "resnet18"}, 3),
        ({"head_channels": 16}, 3),
        ({"model_type": ModelType.regression}, 3),
        ({"model_type": ModelType.heatmap_mhcrnn}, 3),
        ({}, 4),
    ],
    ids=str,
)
def test_another_architecture_is_refused_and_nothing_of_it_is_loaded(trained, change, keypoints) -> None:
    with pytest.raises(UserError, match=r"expected weights of .*, found differences in ") as caught:
        build_network(settings(trained[0], **change), keypoints)
    message = str(caught.value)
    assert message.startswith(f"model.checkpoint {trained[0]}") and "\n" not in message
    assert message.split("differences in ")[1].count("(") <= 3
    assert ("more" in message) is bool(change)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.safetensors", "."])
def test_a_checkpoint_that_is_not_there(tmp_path, name) -> None:
    with pytest.raises(UserError, match=r"model\.checkpoint .*expected a file of weights"):
        build_network(settings(tmp_path / name), 3)


def test_no_weights_are_run(tmp_path) -> None:
    """What pickle would execute is refused before it does anything."""

    class Touch:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": Touch()}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="other Python objects"):
        build_network(settings(tmp_path / "bad.ckpt"), 3)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("model_type", list(ModelType))
def test_every_type_takes_its_images(model_type) -> None:
    assert build_network(settings(model_type=model_type), 3).training


def test_a_network_that_takes_no_such_images_is_refused() -> None:
    with pytest.raises(UserError, match="nest_tiny: expected a network that takes images of 64x96"):
        build_network(settings(backbone="nest_tiny"), 3)


def test_a_file_of_the_backbones_weights_reaches_the_network(tmp_path) -> None:
    import timm

    source = timm.create_model("mobilenetv3_small_050")
    torch.save(source.state_dict(), tmp_path / "own.pth")
    own = settings(backbone_checkpoint=str(tmp_path / "own.pth"), weights=Weights.pretrained)
    network = build_network(own, 3)
    assert torch.equal(
        network.state_dict()["backbone.conv_stem.weight"], source.state_dict()["conv_stem.weight"]
    )
    without = replace(own, model=replace(own.model, backbone_checkpoint="gone.pth"))
    assert empty_network(without, 3)  # to be filled with trained weights: the file is not asked for
