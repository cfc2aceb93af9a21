"""Stopping without losing anything."""

import logging
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning

log = logging.getLogger(__name__)


class SafeStop(lightning.Callback):
    """Keeps ``last.ckpt`` such that a run which ends early, for whatever reason, goes on as if it had not.

    A first SIGINT (Ctrl-C) or SIGTERM (a cluster's) ends the run between two training steps, with a checkpoint; a
    second one ends it at once. A loss that is not finite ends it before it reaches a checkpoint.
    """

    def __init__(self, every_n_steps_on_gpu: int, save_every_minutes: float) -> None:
        """Configure.

        Args:
            every_n_steps_on_gpu: look at the loss so often only, since on a GPU that means waiting for it.
            save_every_minutes: the most that a killed run loses where an epoch takes longer.
        """
        self.every_n_steps_on_gpu, self.save_every_minutes = every_n_steps_on_gpu, save_every_minutes
        self._received: int | None = None
        self._handlers: dict[int, Any] = {}
        self._saved_at = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take over the signals; do not go on after an early stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._receive)
        self._saved_at = time.monotonic()
        # The last checkpoint of a run that was stopped early is written before Lightning notes that it was.
        callbacks: Any = trainer.early_stopping_callbacks
        if any(stopping.wait_count >= stopping.patience for stopping in callbacks):
            trainer.should_stop = True

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Between two steps: save if it is time, and end if a signal has come.

        Raises:
            SystemExit: after a signal, with 128 plus its number, as a shell would.
        """
        late = time.monotonic() > self._saved_at + 60 * self.save_every_minutes
        stop, save = (_anywhere(trainer, flag) for flag in (self._received is not None, late))
        if (stop or save) and trainer.global_step:
            self._save(trainer)
        if stop:
            raise self._exit(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        # A run that goes on counts one more step for its loggers than the checkpoint says: Lightning takes it to be
        # written at the end of a step, before that step is counted.
        trainer.fit_loop.epoch_loop._batches_that_stepped -= 1
        trainer.save_checkpoint(self._folder(trainer) / "last.ckpt")
        trainer.fit_loop.epoch_loop._batches_that_stepped += 1
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Look at the loss.

        Raises:
            ValueError: the loss is not finite; names the step and the last good checkpoint.
        """
        if pl_module.device.type == "cpu" or trainer.global_step % self.every_n_steps_on_gpu == 0:
            self._check(trainer, float(outputs["loss"]))

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the validation loss before anything is saved for it.

        Raises:
            ValueError: as above.
        """
        if "val/loss" in trainer.callback_metrics:
            self._check(trainer, float(trainer.callback_metrics["val/loss"]))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Give the signals back.

        Raises:
            SystemExit: one came too late for another step; only the report is missing.
        """
        self._release()
        if self._received is not None:
            raise self._exit(trainer)

    def on_exception(self, *_: Any) -> None:
        """Give the signals back."""
        self._release()

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._release()  # a second signal ends the run at once
        self._received = number
        log.warning("%s: stopping after this step; once more to stop at once", signal.Signals(number).name)

    def _release(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def _exit(self, trainer: lightning.Trainer) -> SystemExit:
        step, folder = trainer.global_step, trainer.default_root_dir
        log.warning("stopped by a signal at step %d: go on with `python train.py resume='%s'`", step, folder)
        return SystemExit(128 + (self._received or signal.SIGTERM))  # of another process, which then ends this one

    def _check(self, trainer: lightning.Trainer, loss: float) -> None:
        if not math.isfinite(loss):
            last = self._folder(trainer) / "last.ckpt"
            kept = f"the last good checkpoint is {last}" if last.exists() else "no checkpoint was written yet"
            raise ValueError(f"the loss is {loss} at step {trainer.global_step}: {kept}; try a smaller optimizer.lr")

    def _folder(self, trainer: lightning.Trainer) -> Path:
        return Path(trainer.default_root_dir) / "checkpoints"


def _anywhere(trainer: lightning.Trainer, flag: bool) -> bool:
    """Whether any process of this training says so: they must save and stop at the same step."""
    return flag if trainer.world_size == 1 else bool(trainer.strategy.reduce_boolean_decision(flag, all=False))
