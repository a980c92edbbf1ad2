"""The temporal context head: heatmaps of a frame from itself, and from itself with its neighbours in time.

Upstream's MHCRNN (temporal context network; Biderman et al., Nature Methods 2024): two heads on the features
of five consecutive frames. One sees the middle frame alone; the other runs a small convolutional recurrence
from both ends to the middle, so that motion carries a keypoint through a frame that hides it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from lightning_pose.models.heads import FINEST, HeatmapPredictor, Pyramid, merged_shape, separable

FRAMES = 5  # the labelled one and two to each side
MIDDLE = FRAMES // 2
MEMORY = 32  # channels of the recurrence

TwoHeatmaps = tuple[torch.Tensor, torch.Tensor]


class ContextHead(nn.Module):
    """Two heatmaps a keypoint: without and with context.

    Parameters
    ----------
    channels, strides : of the feature maps, finest first.
    keypoints : number of heatmaps.
    width : channels inside the head.
    stride : pixels a heatmap cell; a power of two.
    """

    def __init__(
        self, channels: list[int], strides: list[int], keypoints: int, width: int, stride: int
    ) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels, strides, width, max(stride, FINEST))
        self.alone = HeatmapPredictor(width, keypoints, stride)
        self.observe = nn.Conv2d(width, MEMORY, 1)
        self.forth, self.back = separable(MEMORY), separable(MEMORY)
        self.together = HeatmapPredictor(2 * MEMORY, keypoints, stride)

    def forward(
        self, features: list[torch.Tensor], image_hw: tuple[int, int], window: torch.Tensor
    ) -> TwoHeatmaps:
        """Return heatmap logits without and with context, (B, K, h, w) each.

        Parameters
        ----------
        features : maps of N frames.
        image_hw : height and width of the frames in pixels.
        window : integers, (B, 5)
            Which of the N frames are the five of each output.
        """
        merged = self.pyramid(features, merged_shape(image_hw, self.alone.stride))
        seen = self.observe(merged)
        past = self._run(self.forth, seen, [window[:, i] for i in range(MIDDLE + 1)])
        future = self._run(self.back, seen, [window[:, i] for i in range(FRAMES - 1, MIDDLE - 1, -1)])
        with_context = self.together(torch.cat([past, future], 1))
        return self.alone(merged[window[:, MIDDLE]]), with_context

    def _run(self, step: nn.Module, seen: torch.Tensor, order: list[torch.Tensor]) -> torch.Tensor:
        """Run the recurrence: what is seen now, and what is left of the memory after a step."""
        memory = F.relu(seen[order[0]])
        for now in order[1:]:
            memory = F.relu(seen[now] + step(memory))
        return memory


def windows_of_labelled(count: int, device: torch.device) -> torch.Tensor:
    """Return the windows, (count / 5, 5), of labelled frames that lie with their context in one row."""
    return torch.arange(count, device=device).view(-1, FRAMES)


def windows_of_sequence(count: int, device: torch.device) -> torch.Tensor:
    """Return the windows, (count, 5), of consecutive frames; beyond the ends, the end is repeated."""
    offsets = torch.arange(-MIDDLE, MIDDLE + 1, device=device)
    return (torch.arange(count, device=device)[:, None] + offsets).clamp(0, count - 1)
