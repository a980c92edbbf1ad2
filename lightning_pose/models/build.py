"""A network ready to train: built, filled with first weights, and tried on an image of the right size."""

from __future__ import annotations

from pathlib import Path

import torch

from lightning_pose.io.model_dir import WEIGHTS_FILE, refuse_upstreams
from lightning_pose.models.network import PoseNetwork, image_shape
from lightning_pose.models.weights_file import load_fully, read_state
from lightning_pose.settings import Settings
from lightning_pose.types import Problem, UserError, first_line


def build_network(settings: Settings, num_keypoints: int) -> PoseNetwork:
    """Build the network that settings describe, and see that it takes such images.

    Raises
    ------
    UserError
        If it cannot be built, or a file of weights that ``model`` names is of another network.
    """
    checkpoint = settings.model.checkpoint
    network = empty_network(settings, num_keypoints, pretrained=checkpoint is None)
    if checkpoint is not None:
        refuse_upstreams(Path(checkpoint), "model.checkpoint")
        file = trained_weights(Path(checkpoint))
        where = f"model.checkpoint {file}"
        load_fully(network, read_state(file, "model.checkpoint"), where, described(settings, num_keypoints))
    dims = settings.data.image_resize_dims
    where = f"model.backbone {settings.model.backbone}"
    try:
        with torch.inference_mode():
            shape = image_shape(settings.model.model_type, (dims.height, dims.width))
            network.eval()(torch.zeros(1, *shape))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = first_line(error)
        expected = f"a network that takes images of {dims.height}x{dims.width}"
        raise UserError(Problem(where, expected, reason)) from None
    return network.train()


def empty_network(settings: Settings, num_keypoints: int, pretrained: bool = False) -> PoseNetwork:
    """Build the network without first weights, or with those of its backbone alone."""
    dims, stride = settings.data.image_resize_dims, 2**settings.data.downsample_factor
    image_hw = dims.height, dims.width
    network = PoseNetwork(settings.model, num_keypoints, stride, pretrained, image_hw)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def trained_weights(path: Path) -> Path:
    """Return the file of weights that a path means: a model folder's, or the file itself."""
    return path / WEIGHTS_FILE if path.is_dir() else path


def described(settings: Settings, num_keypoints: int) -> str:
    """Describe the network whose weights are wanted, for messages."""
    model = settings.model
    head = f"{model.model_type.value}, {num_keypoints} keypoints, model.head_channels {model.head_channels}"
    return f"weights of {model.backbone} ({head})"
