"""Validation error at intervals: the best weights are kept, and a training that has stalled ends."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from lightning_pose.models.weights_file import are_finite, write_weights
from lightning_pose.settings import TrainingSettings
from lightning_pose.training.module import Plan
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]


class Validation(Callback):
    """Measure the validation error, keep the weights of the lowest, write them at the end.

    Parameters
    ----------
    training : the ``training`` section.
    plan : how long the training is.
    loader : makes the loader of this process' validation images.
    output : where the best weights go, once all is done.

    Attributes
    ----------
    errors_px : the latest errors, (N, K), in pixels of the labelled images; NaN = not labelled.
    error_px, step : the lowest mean error so far and the steps done by then.
    """

    def __init__(
        self, training: TrainingSettings, plan: Plan, loader: Callable[[], Iterable[Any]], output: Path
    ) -> None:
        self.interval = _interval(training, plan)
        self.patience = training.early_stop_patience if training.early_stopping else math.inf
        self.earliest_end = training.min_steps or min(plan.steps_of(training.min_epochs), plan.steps)
        self.last_step = plan.steps
        self.output, self._make_loader = output, loader
        self._loader: Iterable[Any] | None = None
        self.errors_px: torch.Tensor | None = None
        self.error_px, self.step, self.stalled = math.inf, 0, 0
        self.best: Weights | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return what a training that goes on needs to know."""
        return {"error_px": self.error_px, "step": self.step, "stalled": self.stalled, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over from an interrupted training."""
        self.error_px, self.step = state_dict["error_px"], state_dict["step"]
        self.stalled, self.best = state_dict["stalled"], state_dict["best"]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop at once if the interrupted training was just about to."""
        own: Any = module
        self._stop_if_stalled(trainer, own.start // own.plan.accumulate)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, _o: Any, _b: Any, index: int) -> None:
        """Validate after every `interval` steps, and after the last."""
        step = module.steps_done(index)
        if step is None or (step % self.interval and step != self.last_step):
            return
        self.measure(trainer, module, step)
        self._stop_if_stalled(trainer, step)

    def measure(self, trainer: pl.Trainer, module: Any, step: int) -> None:
        """Measure the error; keep the weights if it is the lowest so far."""
        self.errors_px = self._errors(trainer, module)
        error_px = float(torch.nanmean(self.errors_px))
        logger.info("step %d: validation error %.2f px", step, error_px)
        if error_px < self.error_px and are_finite(module.result.state_dict()):
            self.error_px, self.step, self.stalled = error_px, step, 0
            self.best = _copy(module.result)
        else:
            self.stalled += 1

    @torch.no_grad()
    def _errors(self, trainer: pl.Trainer, module: Any) -> torch.Tensor:
        self._loader = self._loader or self._make_loader()
        module.result.eval()
        found = [torch.empty(0, module.num_keypoints, device=module.device)]
        with trainer.precision_plugin.forward_context():
            for batch in self._loader:
                found.append(module.pixel_errors(trainer.strategy.batch_to_device(batch))[0])
        module.train()
        errors = torch.cat(found)
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, errors.cpu())
            errors = torch.cat(gathered)
        return errors.cpu()

    def _stop_if_stalled(self, trainer: pl.Trainer, step: int) -> None:
        if self.stalled >= self.patience and step >= self.earliest_end:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Write the best weights.

        Raises
        ------
        UserError
            If there are none but the last, and these are no numbers.
        """
        if not trainer.is_global_zero:
            return
        own: Any = module
        if self.best is None:
            if not are_finite(own.result.state_dict()):
                expected = (
                    "finite weights (a lower training.optimizer_params.learning_rate, or fp32, may help)"
                )
                raise UserError(Problem("the last training step", expected, "NaN or infinite ones"))
            logger.warning("no validation error was measured: keeping the last weights")
        write_weights(self.best or _copy(own.result), self.output)
        logger.info("best weights: step %d, validation error %.2f px", self.step, self.error_px)


def _copy(network: torch.nn.Module) -> Weights:
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def _interval(training: TrainingSettings, plan: Plan) -> int:
    if training.val_check_interval is not None:
        return min(training.val_check_interval, plan.steps)
    return min(plan.steps_of(training.check_val_every_n_epoch), plan.steps)
