"""What a runtime is: it takes a trained network and gives back a function of images.

Images are (B, 3, H, W) uint8, or (B, 5, 3, H, W) with context, for any B; what comes back are
keypoints_model_px (B, K, 2) and confidence (B, K), float32, decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import RuntimeName

Found = tuple[np.ndarray, np.ndarray]
Session = Callable[[np.ndarray], Found]


@dataclass(frozen=True)
class TrainedNetwork:
    """A network and what it computes with.

    Parameters
    ----------
    load : returns the network in evaluation mode, on `device`; called when a runtime needs it, which one that
        kept its own translation does not.
    device : where torch computes.
    image_shape : of one sample, (3, H, W) or (5, 3, H, W).
    identity : tells networks that compute different things apart: weights, architecture.
    """

    load: Callable[[], PoseNetwork]
    device: torch.device
    image_shape: tuple[int, ...]
    identity: str

    @cached_property
    def network(self) -> PoseNetwork:
        """The network, loaded once."""
        return self.load()

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return self.image_shape[-2], self.image_shape[-1]


@dataclass(frozen=True)
class NumberFormat:
    """Which parts of a network compute in bfloat16; the others, and decoding, in float32."""

    backbone_half: bool
    head_half: bool


FLOAT32, MIXED, BFLOAT16 = NumberFormat(False, False), NumberFormat(True, False), NumberFormat(True, True)


class Runtime(Protocol):
    """A library and a number format."""

    name: RuntimeName

    def missing(self, device: torch.device) -> str | None:
        """Say what it lacks on this machine; None = nothing."""

    def build(self, trained: TrainedNetwork) -> Session:
        """Make a network ready."""
