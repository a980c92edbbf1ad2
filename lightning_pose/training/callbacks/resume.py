"""States that an interrupted training goes on from, to the bit.

One file, ``checkpoints/last.ckpt``, replaced whole. It holds tensors and numbers alone and is read without
running any code in it. A state belongs to the settings, labels and code it was made with; with others, the
training starts afresh.
"""

from __future__ import annotations

import io
import logging
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from lightning_pose.io.files import write_atomic
from lightning_pose.models.weights_file import UNREADABLE, are_finite, damage_of_archive, write_weights
from lightning_pose.training.callbacks.validation import Validation
from lightning_pose.types import first_line

logger = logging.getLogger(__name__)

FOLDER, FILE = "checkpoints", "last.ckpt"
STOPPED_BY = (signal.SIGTERM, signal.SIGINT)
SIGNAL_CODE = 128  # exit code of a command that a signal ended, less the signal's number
STEP_S = 12.0  # seconds that a step may still take after a signal; a scheduler kills after 20 to 30


class Checkpoints(Callback):
    """Save the state at intervals and when asked to stop; take up that of an interrupted training.

    Parameters
    ----------
    folder : ``checkpoints/`` of the model folder.
    origin : what the training depends on, as text by name.
    validation : whose state belongs to it.
    every_s : seconds between states.
    keep_every : steps between weights that are kept; None = none.
    """

    def __init__(
        self,
        folder: Path,
        origin: dict[str, str],
        validation: Validation,
        every_s: float,
        keep_every: int | None = None,
    ) -> None:
        self.folder, self.origin, self.validation = folder, origin, validation
        self.every_s, self.keep_every = every_s, keep_every
        self.state = read_state(folder / FILE, origin)
        self._saved = time.monotonic()
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def batches(self) -> int:
        """Batches that the interrupted training had done."""
        return 0 if self.state is None else int(self.state["batches"])

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take up the state, and listen to signals."""
        self._saved = time.monotonic()
        if self.state is not None:
            _restore(self.state, trainer, module)
            self.state = None
        for number in STOPPED_BY if trainer.world_size == 1 else ():
            self._handlers[number] = signal.signal(number, self._remember)
        if self._handlers:
            self._handlers[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._give_up)

    def _remember(self, number: int, _frame: Any) -> None:
        if self._signal is None:
            self._signal = number
            signal.setitimer(signal.ITIMER_REAL, STEP_S)
        elif number == signal.SIGINT:  # asked twice, by a person: at once
            raise SystemExit(SIGNAL_CODE + number)

    def _give_up(self, _number: int, _frame: Any) -> None:
        """Leave in the middle of a step, or of a validation."""
        logger.warning("stopped within a step: the same command goes on from the last state that was saved")
        raise SystemExit(SIGNAL_CODE + (self._signal or signal.SIGTERM))

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, _o: Any, _b: Any, index: int) -> None:
        """Save the state where it is due, and leave if asked to.

        The last step's state is none, and nobody leaves after it, since the weights follow at once.
        """
        step = module.steps_done(index)
        if step is None:
            return
        if self.keep_every and step % self.keep_every == 0 and trainer.is_global_zero:
            kept = {key: value.detach().cpu() for key, value in module.result.state_dict().items()}
            write_weights(kept, self.folder / f"step_{step}.safetensors")
        if self._signal is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        is_due = self._signal is not None or time.monotonic() - self._saved >= self.every_s
        if step == module.plan.steps:
            return
        if is_due and trainer.is_global_zero:
            self._save(trainer, module, module.start + index + 1)
        if self._signal is not None:
            logger.warning("stopped after step %d: the same command goes on from there", step)
            raise SystemExit(SIGNAL_CODE + self._signal)

    def _save(self, trainer: pl.Trainer, module: Any, batches: int) -> None:
        if not are_finite(module.network.state_dict()):
            logger.warning("the weights are no numbers any more: the last state with others is kept")
            return
        state = {
            "origin": self.origin,
            "batches": batches,
            "module": module.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "scheduler": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "validation": self.validation.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        content = io.BytesIO()  # torch's own writer tells nothing of a full disk
        torch.save(state, content)
        with write_atomic(self.folder / FILE) as temporary:
            temporary.write_bytes(content.getbuffer())
        self._saved = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Remove the state of a finished training; its weights are written by now."""
        if trainer.is_global_zero:
            (self.folder / FILE).unlink(missing_ok=True)

    def leave_if_asked(self) -> None:
        """Leave if a signal came after the last step: what follows the training shall not begin."""
        if self._signal is not None:
            logger.warning("stopped after the training: the same command goes on from there")
            raise SystemExit(SIGNAL_CODE + self._signal)

    def on_exception(self, trainer: pl.Trainer, _module: Any, exception: BaseException) -> None:
        """Hand signals back: who goes on after a training that was stopped is not asked to end again."""
        self._hand_back()

    def teardown(self, trainer: pl.Trainer, _module: pl.LightningModule, stage: str) -> None:
        """Hand signals back."""
        self._hand_back()

    def _hand_back(self) -> None:
        if self._handlers:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()


def read_state(path: Path, origin: dict[str, str]) -> dict[str, Any] | None:
    """Return the state of an interrupted training; None if there is none that this one can go on from."""
    if not path.is_file():
        return None
    try:
        damage = damage_of_archive(path)
        if damage is not None:
            raise OSError(damage)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        changed = [name for name, text in origin.items() if state["origin"].get(name) != text]
    except (pickle.UnpicklingError, *UNREADABLE) as error:
        reason = first_line(error)
        logger.warning("%s cannot be read (%s): starting afresh", path, reason)
        return None
    if changed:
        logger.warning("%s was made with other %s: starting afresh", path, ", ".join(changed))
        return None
    return state


def _restore(state: dict[str, Any], trainer: pl.Trainer, module: Any) -> None:
    module.load_state_dict(state["module"])
    trainer.optimizers[0].load_state_dict(state["optimizer"])
    trainer.lr_scheduler_configs[0].scheduler.load_state_dict(state["scheduler"])
    trainer.precision_plugin.load_state_dict(state["precision"])
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
