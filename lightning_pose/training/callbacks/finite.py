"""Stop a training whose loss is no number any more, and name the images it happened with."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from lightning_pose.types import Problem, UserError

NAMED = 5


class FiniteLoss(Callback):
    """Check every loss; on a GPU that of the step before, which it need not wait for.

    Parameters
    ----------
    image_paths : of the training images, by row.
    """

    def __init__(self, image_paths: list[str]) -> None:
        self.image_paths = image_paths
        self._before: tuple[int, torch.Tensor, torch.Tensor] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Raise `UserError` if the loss is not finite."""
        latest = module.start + index, outputs["loss"].detach(), batch["row"]
        waiting = self._before if module.device.type == "cuda" else latest
        self._before = latest
        if waiting is not None and not torch.isfinite(waiting[1]):
            number, loss, rows = waiting
            names = [self.image_paths[row] for row in rows.tolist()]
            listed = ", ".join(names[:NAMED]) + (
                f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            )
            expected = "a finite loss (a lower training.optimizer_params.learning_rate, or fp32, may help)"
            step = number // module.plan.accumulate + 1
            raise UserError(Problem(f"training step {step}, images {listed}", expected, f"{float(loss)}"))
