"""Stop a training whose loss is no number any more: name the images it happened with, keep good weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from lightning_pose.models.weights_file import are_finite, write_weights
from lightning_pose.training.callbacks.validation import Validation
from lightning_pose.types import Problem, UserError

NAMED = 5
LAST_GOOD = "last_good.safetensors"


class FiniteLoss(Callback):
    """Check every loss before anything is learned from it.

    On a GPU, that of the step before, which need not be waited for.

    Parameters
    ----------
    image_paths : of the training images, by row.
    validation : has the best weights so far, should the latest be no good.
    output : where the last good weights go.
    """

    def __init__(self, image_paths: list[str], validation: Validation, output: Path) -> None:
        self.image_paths, self.validation, self.output = image_paths, validation, output
        self._latest: tuple[int, torch.Tensor] | None = None
        self._before: tuple[int, torch.Tensor, torch.Tensor] | None = None

    def on_train_batch_start(self, _trainer: pl.Trainer, module: Any, batch: Any, index: int) -> None:
        """Remember which images the next loss is of."""
        self._latest = module.start + index, batch["row"]

    def on_before_backward(self, _trainer: pl.Trainer, module: Any, loss: torch.Tensor) -> None:
        """Raise `UserError` if the loss is not finite, on a CPU."""
        if module.device.type != "cuda" and self._latest is not None and not torch.isfinite(loss):
            number, rows = self._latest
            self._stop(module, number, loss, rows)

    def on_train_batch_end(
        self, _trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Raise `UserError` if the loss before was not finite, on a GPU."""
        if module.device.type != "cuda":
            return
        waiting, self._before = self._before, (module.start + index, outputs["loss"].detach(), batch["row"])
        if waiting is not None and not torch.isfinite(waiting[1]):
            self._stop(module, *waiting)

    def _stop(self, module: Any, number: int, loss: torch.Tensor, rows: torch.Tensor) -> None:
        names = [self.image_paths[row] for row in rows.tolist()]
        listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        expected = "a finite loss (a lower training.optimizer_params.learning_rate, or fp32, may help)"
        step = number // module.plan.accumulate + 1
        found = f"{float(loss.detach())}{self._keep(module)}"
        raise UserError(Problem(f"training step {step}, images {listed}", expected, found))

    def _keep(self, module: Any) -> str:
        """Write the latest weights, or, where they are no numbers either, the best so far; say which."""
        state = {key: value.detach().cpu() for key, value in module.result.state_dict().items()}
        name = "the weights before it"
        if not are_finite(state):
            if self.validation.best is None:
                return "; no weights are kept, since none were finite when they were last looked at"
            state, name = self.validation.best, f"the best weights, of step {self.validation.step},"
        write_weights(state, self.output)  # by whichever process: those of all are the same
        return f"; {name} are kept in {self.output}"
