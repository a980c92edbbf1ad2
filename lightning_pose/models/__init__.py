"""Backbones, heads and the networks built from them."""

from lightning_pose.models.vision_ops import declare_missing_vision_ops

declare_missing_vision_ops()  # before anything imports torchvision, as timm and torchmetrics do
