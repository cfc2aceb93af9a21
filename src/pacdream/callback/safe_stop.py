"""Stopping without losing anything."""

import logging
import math
from pathlib import Path
from typing import Any

import lightning

log = logging.getLogger(__name__)


class SafeStop(lightning.Callback):
    """Stops at a loss that is not finite, before it reaches a checkpoint, and writes ``last.ckpt`` on Ctrl-C."""

    def __init__(self, every_n_steps_on_gpu: int) -> None:
        """On a GPU looking at the loss means waiting for it, so it is looked at every so many steps only."""
        self.every_n_steps_on_gpu = every_n_steps_on_gpu

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

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Save where an interrupted run can go on."""
        if isinstance(exception, KeyboardInterrupt) and trainer.global_step:
            path = self._folder(trainer) / "last.ckpt"
            trainer.save_checkpoint(path)
            log.warning("interrupted at step %d: go on with resume=%s", trainer.global_step, path)

    def _check(self, trainer: lightning.Trainer, loss: float) -> None:
        if not math.isfinite(loss):
            last = self._folder(trainer) / "last.ckpt"
            kept = f"the last good checkpoint is {last}" if last.exists() else "no checkpoint was written yet"
            raise ValueError(f"the loss is {loss} at step {trainer.global_step}: {kept}; try a smaller optimizer.lr")

    def _folder(self, trainer: lightning.Trainer) -> Path:
        return Path(trainer.default_root_dir) / "checkpoints"
