"""Stopping without losing anything."""

import logging
import math
import signal
import time
from pathlib import Path
from typing import Any

import lightning

from pacdream.callback.between_steps import forget_restart, go_on_with_next_step
from pacdream.callback.stop_signals import StopSignals
from pacdream.core.csv_logger import CSVLogger

log = logging.getLogger(__name__)


class SafeStop(lightning.Callback):
    """Keeps ``last.ckpt`` such that a run which ends early, for whatever reason, goes on as if it had not.

    It is written between two steps, when all that belongs to the steps before is done and logged: after each
    validation, after so many minutes, at the end, and at a first SIGINT (Ctrl-C) or SIGTERM (a cluster's), which ends
    the run; a second one ends it at once. Weights that are not finite are never written.

    It comes first among the callbacks: what the others log before a step is logged again by a run that goes on.
    """

    def __init__(self, every_n_steps_on_gpu: int, save_every_minutes: float) -> None:
        """Configure.

        Args:
            every_n_steps_on_gpu: look at the loss so often only, since on a GPU that means waiting for it.
            save_every_minutes: the most that a killed run loses where it takes longer from one validation to the next.
        """
        self.every_n_steps_on_gpu, self.save_every_minutes = every_n_steps_on_gpu, save_every_minutes
        self._signals = StopSignals()
        self._validated = self._saving = self._resumed = False
        self._saved_at, self._saved_step = 0.0, 0
        self._rows: int | None = 0

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the next step, and with the curves as they were, if this run's folder holds them."""
        noted = checkpoint.get("safe_stop", {"between_steps": False, "rows": None})
        self._resumed = noted["between_steps"]
        if self._resumed:
            go_on_with_next_step(checkpoint["loops"]["fit_loop"], trainer.max_steps > checkpoint["global_step"])
        self._saved_step = checkpoint["global_step"]
        if Path(str(trainer.ckpt_path)).resolve().parent == self._folder(trainer).resolve():
            self._rows = noted["rows"]
            _moved_here(trainer, checkpoint)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take over the signals; drop what will be logged again; do not go on after an early stop."""
        self._signals.take_over()
        self._saved_at = time.monotonic()
        curves = _curves(trainer)
        if curves is not None and self._rows is not None:
            curves.keep(self._rows)
        # No checkpoint says that a run was stopped early, only how often in a row it did not improve.
        callbacks: Any = trainer.early_stopping_callbacks
        if any(stopping.wait_count >= stopping.patience for stopping in callbacks):
            trainer.should_stop = True

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Between two steps: save if it is time, and end if a signal has come.

        Raises:
            SystemExit: after a signal, with 128 plus its number, as a shell would.
            ValueError: the weights are not finite.
        """
        if self._resumed:
            forget_restart(trainer)
            self._resumed = False
        if batch_idx % trainer.accumulate_grad_batches:
            return
        late = time.monotonic() > self._saved_at + 60 * self.save_every_minutes
        stop, save = (_anywhere(trainer, flag) for flag in (self._signals.received is not None, late))
        if stop or save or self._validated:
            self._save(trainer)
        if stop:
            raise self._exit(trainer)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Look at the loss.

        Raises:
            ValueError: the loss is not finite; names the step and the last good checkpoint.
        """
        if pl_module.device.type == "cpu" or trainer.global_step % self.every_n_steps_on_gpu == 0:
            self._check(trainer, "loss", float(outputs["loss"]))

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the validation loss before anything is saved for it.

        Raises:
            ValueError: as above.
        """
        if "val/loss" in trainer.callback_metrics:
            self._check(trainer, "loss", float(trainer.callback_metrics["val/loss"]))
        self._validated = True

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save; give the signals back.

        Raises:
            SystemExit: one came too late for another step; only the report is missing.
            ValueError: the weights are not finite.
        """
        if trainer.global_step > self._saved_step:
            self._save(trainer)
        self._signals.give_back()
        if self._signals.received is not None:
            raise self._exit(trainer)

    def on_exception(self, *_: Any) -> None:
        """Give the signals back."""
        self._signals.give_back()

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note how much of the curves a run that goes on will not log again."""
        curves = _curves(trainer)
        rows = None if curves is None else curves.rows()
        checkpoint["safe_stop"] = {"between_steps": self._saving, "rows": rows}

    def _save(self, trainer: lightning.Trainer) -> None:
        if trainer.global_step and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            weights: Any = trainer.lightning_module.parameters()
            self._check(trainer, "sum of the weights", float(sum(weight.detach().float().sum() for weight in weights)))
            self._saving = True
            trainer.save_checkpoint(self._folder(trainer) / "last.ckpt")
            self._saving, self._saved_step = False, trainer.global_step
        self._validated, self._saved_at = False, time.monotonic()

    def _exit(self, trainer: lightning.Trainer) -> SystemExit:
        step, folder = trainer.global_step, trainer.default_root_dir
        log.warning("stopped by a signal at step %d: go on with `python train.py resume='%s'`", step, folder)
        return SystemExit(128 + (self._signals.received or signal.SIGTERM))  # of another process, which then ends this

    def _check(self, trainer: lightning.Trainer, name: str, value: float) -> None:
        if not math.isfinite(value):
            last = self._folder(trainer) / "last.ckpt"
            kept = f"the last good checkpoint is {last}" if last.exists() else "no checkpoint was written yet"
            raise ValueError(f"the {name} is {value} at step {trainer.global_step}: {kept}; try a smaller optimizer.lr")

    def _folder(self, trainer: lightning.Trainer) -> Path:
        return Path(trainer.default_root_dir) / "checkpoints"


def _moved_here(trainer: lightning.Trainer, checkpoint: dict[str, Any]) -> None:
    """Let a run whose folder was moved find its best checkpoint again: otherwise the next would replace it."""
    for callback in trainer.checkpoint_callbacks:
        state, folder = checkpoint["callbacks"].get(callback.state_key), getattr(callback, "dirpath", None)
        if not state or folder is None:
            continue
        state["dirpath"] = str(folder)
        best = state["best_k_models"].items()
        state["best_k_models"] = {str(Path(folder) / Path(path).name): score for path, score in best}
        for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
            if state[name]:
                state[name] = str(Path(folder) / Path(state[name]).name)


def _curves(trainer: lightning.Trainer) -> CSVLogger | None:
    return next((logger for logger in trainer.loggers if isinstance(logger, CSVLogger)), None)


def _anywhere(trainer: lightning.Trainer, flag: bool) -> bool:
    """Whether any process of this training says so: they must save and stop at the same step."""
    return flag if trainer.world_size == 1 else bool(trainer.strategy.reduce_boolean_decision(flag, all=False))
