"""How far a training is: a bar for a person, ``train_status.json`` for a machine."""

from __future__ import annotations

import datetime
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lightning_pose.io.files import read_json, write_json
from lightning_pose.io.results_tree import STATUS_FILE as STATUS_FILE
from lightning_pose.training.callbacks.validation import Validation

logger = logging.getLogger(__name__)

STATUS_EVERY_S, LOG_EVERY_S = 1.0, 30.0


class ProgressReport(Callback):
    """Say step, loss, validation error, images a second and the time left.

    Parameters
    ----------
    path : of the status file, which is replaced about once a second.
    validation : that knows the errors.
    """

    def __init__(self, path: Path, validation: Validation) -> None:
        self.path, self.validation = path, validation
        self.loss = math.nan
        self._step = 0
        self._images, self._begun, self._written, self._logged = 0, 0.0, 0.0, 0.0
        self._state = "training"
        self._bar: Progress | None = None
        self._moved: list[tuple[logging.StreamHandler, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Start the clock and the bar."""
        self._begun = self._logged = time.monotonic()
        self._step = module.start // module.plan.accumulate
        if trainer.is_global_zero and sys.stderr.isatty():
            columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}")
            bar = Progress(TextColumn("step"), *columns, console=Console(stderr=True))
            self._start_bar(bar, self._step, module.plan.steps)

    def _start_bar(self, bar: Progress, done: int, total: int) -> None:
        """Show the bar, and let log lines go above it."""
        plain = sys.stderr
        bar.add_task("", total=total, completed=done, text="")
        bar.start()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is plain:
                handler.setStream(sys.stderr)
                self._moved.append((handler, plain))
        self._bar = bar

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Count, and report now and then."""
        if not trainer.is_global_zero:
            return
        self._images += len(batch["images"]) * trainer.world_size
        now, step = time.monotonic(), module.steps_done(index)
        self._step = self._step if step is None else step
        if step is None or (now - self._written < STATUS_EVERY_S and step < module.plan.steps):
            return
        self._written, self.loss = now, module.batch_loss(outputs)
        status = self._status(module, step)
        write_json(status, self.path)
        text = _text(status)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, text=text)
        elif now - self._logged >= LOG_EVERY_S:
            self._logged = now
            logger.info("step %d of %d: %s", step, module.plan.steps, text)

    def _status(self, module: Any, step: int) -> dict[str, Any]:
        seconds = time.monotonic() - self._begun
        here = step - module.start // module.plan.accumulate
        best = self.validation
        latest = math.nan if best.errors_px is None else float(best.errors_px.nanmean())
        status = {
            "state": self._state,
            "step": step,
            "total_steps": module.plan.steps,
            "epoch": step * module.plan.accumulate // module.plan.batches_per_epoch,
            "loss": self.loss,
            "validation_error_px": latest,
            "best_validation_error_px": best.error_px,
            "best_step": best.step,
            "images_per_s": self._images / seconds if seconds else math.nan,
            "seconds": seconds,
            "seconds_left": seconds / here * (module.plan.steps - step) if here else math.nan,
            "updated": _now(),
        }
        return {key: _finite(value) for key, value in status.items()}

    def on_train_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Say that all is done."""
        self._finish(trainer, module, "finished")

    def on_exception(self, trainer: pl.Trainer, module: Any, exception: BaseException) -> None:
        """Say that it was interrupted, or why it failed."""
        self._finish(trainer, module, _state_after(exception))

    def _finish(self, trainer: pl.Trainer, module: Any, state: str) -> None:
        self._state = state
        if self._bar is not None:
            self._bar.stop()
            for handler, stream in self._moved:
                handler.setStream(stream)
        if trainer.is_global_zero and self._begun:
            write_json(self._status(module, self._step), self.path)


def end_status(path: Path, exception: BaseException) -> None:
    """Say how a training ended whose own process could not, as one that another's failure ended."""
    status = read_json(path)
    if isinstance(status, dict) and status.get("state") == "training":
        write_json({**status, "state": _state_after(exception), "updated": _now()}, path)


def _state_after(exception: BaseException) -> str:
    return "interrupted" if isinstance(exception, KeyboardInterrupt | SystemExit) else "failed"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _finite(value: Any) -> Any:
    """Return null for what JSON cannot say."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(status: dict[str, Any]) -> str:
    parts = [f"loss {status['loss']:.4g}" if status["loss"] is not None else "loss not finite"]
    if status["validation_error_px"] is not None:
        parts.append(f"validation {status['validation_error_px']:.2f} px")
    if status["images_per_s"]:
        parts.append(f"{status['images_per_s']:.1f} images/s")
    if status["seconds_left"] is not None:
        parts.append(f"{datetime.timedelta(seconds=round(status['seconds_left']))} left")
    return ", ".join(parts)
