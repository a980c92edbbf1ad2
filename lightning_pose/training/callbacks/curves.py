"""TensorBoard: losses, learning rates, validation errors of each keypoint, a panel of validation images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.tensorboard import SummaryWriter

from lightning_pose.training.callbacks.validation import Validation

PANEL_IMAGES, PANEL_COLUMNS = 8, 4
LABEL_COLOR, PREDICTION_COLOR = (0, 158, 115), (213, 94, 0)  # RGB; Okabe and Ito's green and vermilion


class Curves(Callback):
    """Write training curves to ``tb_logs/``.

    Parameters
    ----------
    folder : of the event files.
    every : steps between points.
    validation : whose errors are drawn.
    keypoint_names : of its columns.
    """

    def __init__(self, folder: Path, every: int, validation: Validation, keypoint_names: list[str]) -> None:
        self.folder, self.every = folder, every
        self.validation, self.keypoint_names = validation, keypoint_names
        self._writer: SummaryWriter | None = None
        self._seen: torch.Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Open the file; points of an interrupted training behind the step it goes on from are dropped."""
        if trainer.is_global_zero:
            done = module.start // module.plan.accumulate
            self._writer = SummaryWriter(str(self.folder), purge_step=done + 1 if done else None)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, _batch: Any, index: int
    ) -> None:
        """Add points where they are due."""
        step = module.steps_done(index)
        if self._writer is None or step is None:
            return
        if step % self.every == 0 or step == module.plan.steps:
            self._writer.add_scalar("train_loss", module.batch_loss(outputs), step)
            for name, value in outputs.items():
                if name != "loss":
                    self._writer.add_scalar(f"train_{name}", float(value), step)
            for group, name in zip(trainer.optimizers[0].param_groups, ("head", "backbone"), strict=False):
                rate = group["initial_lr"] * module.rate_factor(step - 1)  # that of the step, not of the next
                self._writer.add_scalar(f"learning_rate_{name}", rate, step)
        if self.validation.errors_px is not self._seen:
            self._seen = self.validation.errors_px
            self._add_validation(trainer, module, step)

    def _add_validation(self, trainer: pl.Trainer, module: Any, step: int) -> None:
        assert self._writer is not None and self._seen is not None
        mean = float(self._seen.nanmean())
        if math.isfinite(mean):
            self._writer.add_scalar("val_pixel_error", mean, step)
        for name, error in zip(self.keypoint_names, self._seen.nanmean(0).tolist(), strict=True):
            if math.isfinite(error):
                self._writer.add_scalar(f"val_pixel_error_of/{name}", error, step)
        panel = self._panel(trainer, module)
        if panel is not None:
            self._writer.add_image("validation", panel, step, dataformats="HWC")
        self._writer.flush()

    @torch.no_grad()
    def _panel(self, trainer: pl.Trainer, module: Any) -> np.ndarray | None:
        """Draw labels as circles and predictions as crosses into some validation images."""
        dataset = trainer.datamodule.validation_set  # type: ignore[attr-defined]
        rows = range(min(len(dataset), PANEL_IMAGES))
        if not rows:
            return None
        batch = torch.utils.data.default_collate([dataset[row] for row in rows])
        module.result.eval()
        with trainer.precision_plugin.forward_context():
            _, keypoints = module.pixel_errors(trainer.strategy.batch_to_device(batch))
        module.train()
        images = (
            batch["images"][:, batch["images"].shape[1] // 2]
            if batch["images"].ndim == 5
            else batch["images"]
        )
        drawn = [
            _draw(image, labels, predictions)
            for image, labels, predictions in zip(
                images.permute(0, 2, 3, 1).numpy(),
                batch["keypoints_model_px"].numpy(),
                keypoints.cpu().numpy(),
                strict=True,
            )
        ]
        drawn += [np.zeros_like(drawn[0])] * (-len(drawn) % min(PANEL_COLUMNS, len(drawn)))
        columns = min(PANEL_COLUMNS, len(drawn))
        lines = [np.concatenate(drawn[i : i + columns], 1) for i in range(0, len(drawn), columns)]
        return np.concatenate(lines)

    def teardown(self, _trainer: pl.Trainer, _module: Any, stage: str) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def _draw(image: np.ndarray, labels_px: np.ndarray, predictions_px: np.ndarray) -> np.ndarray:
    image = np.ascontiguousarray(image)
    size = max(image.shape[0] // 64, 2)
    for x, y in labels_px[np.isfinite(labels_px).all(-1)]:
        cv2.circle(image, (round(float(x)), round(float(y))), size, LABEL_COLOR, 1, cv2.LINE_AA)
    for x, y in predictions_px[np.isfinite(predictions_px).all(-1)]:
        center = (round(float(x)), round(float(y)))
        cv2.drawMarker(image, center, PREDICTION_COLOR, cv2.MARKER_TILTED_CROSS, 2 * size, 1, cv2.LINE_AA)
    return image
