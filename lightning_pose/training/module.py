"""The one LightningModule: heatmap loss, optimizer, schedule, validation in pixels."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch

from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import ModelSettings, Optimizer, Schedule, TrainingSettings
from lightning_pose.training.supervised import supervised_loss

Batch = dict[str, torch.Tensor]


class PoseModule(pl.LightningModule):
    """Train a `PoseNetwork`.

    Parameters
    ----------
    network : what to train.
    model : the ``model`` section.
    training : the ``training`` section.
    total_steps : optimizer steps of the whole training, for the schedule.
    steps_per_epoch : optimizer steps an epoch, for milestones.
    """

    def __init__(
        self,
        network: PoseNetwork,
        model: ModelSettings,
        training: TrainingSettings,
        total_steps: int,
        steps_per_epoch: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.model_settings, self.training_settings = model, training
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self._trainable = [p for p in network.backbone.parameters() if p.requires_grad]
        self._errors: list[torch.Tensor] = []

    def on_train_batch_start(self, _batch: Batch, _index: int) -> None:
        """Let the backbone learn from ``unfreezing_epoch`` or ``unfreezing_step`` on."""
        settings = self.training_settings
        if settings.unfreezing_step is not None:
            learns = self.global_step >= settings.unfreezing_step
        else:
            learns = self.current_epoch >= settings.unfreezing_epoch
        for parameter in self._trainable:
            parameter.requires_grad_(learns)

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        output = self.network(batch["images"])
        loss = supervised_loss(output, batch, self.network, self.model_settings)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Collect pixel errors in the labelled image."""
        keypoints_model_px, _ = self.network.decode(self.network(batch["images"]))
        height, width = batch["images"].shape[-2:]
        size = torch.tensor([width, height], device=keypoints_model_px.device)
        keypoints_px = (keypoints_model_px + 0.5) * (batch["image_size"][:, None] / size) - 0.5
        self._errors.append(torch.linalg.norm(keypoints_px - batch["keypoints_px"], dim=-1))

    def on_validation_epoch_end(self) -> None:
        """Log the mean validation error in pixels."""
        errors = torch.cat(self._errors)
        self._errors.clear()
        self.log("val_pixel_error", torch.nanmean(errors), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Build the optimizer, head and backbone apart, and the schedule."""
        params = self.training_settings.optimizer_params
        rate = params.learning_rate
        groups = [
            {"params": list(self.network.head.parameters()), "lr": rate},
            {"params": self._trainable, "lr": rate * params.backbone_factor},
        ]
        groups = [group for group in groups if group["params"]]
        build = torch.optim.Adam if self.training_settings.optimizer is Optimizer.Adam else torch.optim.AdamW
        optimizer = build(groups, lr=rate, weight_decay=params.weight_decay, fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def rate_factor(self, step: int) -> float:
        """Return the learning rate at a step as a share of the first."""
        params = self.training_settings.lr_scheduler_params
        if self.training_settings.lr_scheduler is Schedule.multisteplr:
            multistep = params.multisteplr
            steps = multistep.milestone_steps
            if steps is None:
                steps = [epoch * self.steps_per_epoch for epoch in multistep.milestones]
            return multistep.gamma ** sum(step >= milestone for milestone in steps)
        warmup = params.cosine.warmup * self.total_steps
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(self.total_steps - warmup, 1)))
