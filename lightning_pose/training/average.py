"""An exponential moving average of a network's weights."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn


class MovingAverage(nn.Module):
    """A copy of a network whose weights follow it slowly; buffers are those of the network.

    Parameters
    ----------
    network : what to follow.
    decay : share of the average that a step leaves. The first steps leave less, (1 + step) / (10 + step),
        so that the first weights are soon forgotten.

    References
    ----------
    Polyak and Juditsky, SIAM J. Control Optim. 1992; the start as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.network = deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), share)
        for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(other)
