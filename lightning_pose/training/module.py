"""The one LightningModule: loss, optimizer, schedule, errors in pixels.

It counts batches and steps over the whole training, also where an interrupted one goes on: Lightning sees
one long epoch of the batches that are left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import ModelSettings, Optimizer, Schedule, TrainingSettings
from lightning_pose.training.average import MovingAverage
from lightning_pose.training.supervised import supervised_loss, upstream_unit
from lightning_pose.training.unsupervised import UnsupervisedLosses

Batch = dict[str, Any]  # tensors; "video", of unlabelled frames, is a dict of tensors itself


@dataclass(frozen=True)
class Plan:
    """How long a training is.

    Parameters
    ----------
    steps : optimizer steps of the whole training.
    batches_per_epoch : batches that show every image once.
    accumulate : batches a step.
    """

    steps: int
    batches_per_epoch: int
    accumulate: int = 1

    @property
    def batches(self) -> int:
        """Batches of the whole training."""
        return self.steps * self.accumulate

    def steps_of(self, epochs: int) -> int:
        """Return the steps of some epochs; a step's batches may lie in two of them."""
        return math.ceil(epochs * self.batches_per_epoch / self.accumulate)


class PoseModule(pl.LightningModule):
    """Train a `PoseNetwork`.

    Parameters
    ----------
    network : what to train.
    model : the ``model`` section.
    training : the ``training`` section.
    plan : how long.
    num_keypoints : of each image.
    unsupervised : losses on the unlabelled video of each batch.

    Attributes
    ----------
    start : batches that were done before, by an interrupted training that this one goes on with.
    """

    def __init__(
        self,
        network: PoseNetwork,
        model: ModelSettings,
        training: TrainingSettings,
        plan: Plan,
        num_keypoints: int,
        unsupervised: UnsupervisedLosses | None = None,
    ) -> None:
        super().__init__()
        self.network, self.plan, self.start = network, plan, 0
        self.num_keypoints, self.unsupervised = num_keypoints, unsupervised
        self.model_settings, self.training_settings = model, training
        self._trainable = [p for p in network.backbone.parameters() if p.requires_grad]
        self.average = None if training.ema_decay is None else MovingAverage(network, training.ema_decay)

    @property
    def result(self) -> nn.Module:
        """The network whose weights are validated and kept: the trained one or its moving average."""
        return self.network if self.average is None else self.average.network

    def on_train_batch_start(self, _batch: Batch, index: int) -> None:
        """Let the backbone learn from ``unfreezing_epoch`` or ``unfreezing_step`` on."""
        settings, number = self.training_settings, self.start + index
        if settings.unfreezing_step is not None:
            learns = number // self.plan.accumulate >= settings.unfreezing_step
        else:
            learns = number // self.plan.batches_per_epoch >= settings.unfreezing_epoch
        for parameter in self._trainable:
            parameter.requires_grad_(learns)

    def training_step(self, batch: Batch, index: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch, and what it is made of."""
        output = self.network(batch["images"])
        loss = supervised_loss(output, batch, self.network, self.model_settings)
        if self.unsupervised is None:
            return {"loss": loss}
        values = self.video_losses(self.network, batch["video"])
        epoch = (self.start + index) // self.plan.batches_per_epoch
        parts = {"supervised": loss, **values}
        height, width = batch["images"].shape[-2:]
        unit = upstream_unit(self.model_settings, (height, width), self.network.stride)
        return {
            "loss": loss + unit * self.unsupervised.total(values, epoch),
            **{name: value.detach() for name, value in parts.items()},
        }

    def video_losses(self, network: PoseNetwork, video: Batch) -> Batch:
        """Return the losses of a network on a sequence of unlabelled frames, without their weights.

        Of a network of two heads they are the mean of both heads', each with its own keypoints.
        """
        assert self.unsupervised is not None
        output = network(video["images"])
        found = [
            self.unsupervised(network.heatmaps(own), video["model_to_frame"], network.soft_decode(own))
            for own in (output if isinstance(output, tuple) else (output,))
        ]
        return {name: torch.stack([own[name] for own in found]).mean() for name in found[0]}

    def batch_loss(self, outputs: dict[str, torch.Tensor]) -> float:
        """Return the loss of a batch from what Lightning hands on: its share of a step's mean."""
        return float(outputs["loss"]) * self.plan.accumulate

    def steps_done(self, index: int) -> int | None:
        """Return how many steps are done after a batch of this run; None in the midst of a step."""
        done = self.start + index + 1
        return None if done % self.plan.accumulate else done // self.plan.accumulate

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        """Step, and let the moving average follow."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.average is not None:
            self.average.follow(self.network, (self.start + batch_idx) // self.plan.accumulate)

    def pixel_errors(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return errors, (B, K), in pixels of the labelled images, and the predictions in model pixels."""
        network: Any = self.result
        keypoints_model_px, _ = network.decode(network(batch["images"]))
        height, width = batch["images"].shape[-2:]
        size = torch.tensor([width, height], device=keypoints_model_px.device)
        keypoints_px = (keypoints_model_px + 0.5) * (batch["image_size"][:, None] / size) - 0.5
        return torch.linalg.norm(keypoints_px - batch["keypoints_px"], dim=-1), keypoints_model_px

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
        is_clipped = self.training_settings.gradient_clip_val is not None  # Lightning clips no fused ones
        own: dict[str, Any] = {} if params.weight_decay is None else {"weight_decay": params.weight_decay}
        optimizer = build(groups, lr=rate, fused=not is_clipped, **own)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def rate_factor(self, step: int) -> float:
        """Return the learning rate at a step as a share of the first."""
        params = self.training_settings.lr_scheduler_params
        cosine = self.training_settings.lr_scheduler is Schedule.cosine
        warmup = (params.cosine if cosine else params.multisteplr).warmup * self.plan.steps
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if cosine:
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(self.plan.steps - warmup, 1)))
        steps = params.multisteplr.milestone_steps
        if steps is None:
            steps = [self.plan.steps_of(epoch) for epoch in params.multisteplr.milestones]
        return params.multisteplr.gamma ** sum(step >= milestone for milestone in steps)
