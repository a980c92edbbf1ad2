"""What takes the place of trained networks where only the way of the frames matters."""

from pathlib import Path

import numpy as np
import torch

from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.inference.cropzoom import CropZoomModel
from lightning_pose.io.cropzoom_dir import CropZoom
from lightning_pose.settings import (
    BoxSettings,
    DataSettings,
    ImageDims,
    ModelSettings,
    ModelType,
    RuntimeName,
    Settings,
    TrainingSettings,
)


class Fake:
    """Takes the place of a network: "predicts" the brightness of what it sees, where it is told to."""

    device, runtime, is_open = torch.device("cpu"), RuntimeName.torch, False

    def __init__(self, size, context, spread=0.0):
        kind = ModelType.heatmap_mhcrnn if context else ModelType.heatmap
        self.settings = Settings(
            DataSettings(ImageDims(64, 64), keypoint_names=list("abcde" if context else "a")),
            TrainingSettings(test_batch_size=size),
            ModelSettings(model_type=kind),
        )
        self.model_dir = Path("nowhere")
        self.context, self.spread, self.seen = context, spread, 0
        self.images, self.splits = [], {}

    def for_video(self, is_shared=False):
        return self

    def settle_runtime(self):
        """Has one."""

    def predict_batch(self, images, sizes):
        assert images.shape[1:] == ((5, 3, 64, 64) if self.context else (3, 64, 64))
        self.seen += len(images)
        self.images.append(images)
        brightness = images.mean((-1, -2, -3)).reshape(len(images), -1)
        offset = self.spread * np.arange(brightness.shape[1])
        keypoints_model_px = np.stack([brightness + offset, brightness / 2 + offset], -1)
        whole = np.column_stack([np.zeros_like(sizes), sizes[:, ::-1]])
        return crop_to_frame(keypoints_model_px, whole, (64, 64)), np.ones(brightness.shape)


def joined(detector, pose, **boxes):
    """Join two fakes to a cropzoom model of boxes of 30 px."""
    return CropZoomModel(
        detector, pose, CropZoom(Path(), Path(), 2.0, (64, 64), [], BoxSettings(fixed_size=30, **boxes))
    )
