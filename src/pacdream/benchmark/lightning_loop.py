"""Training through Lightning, with a clock."""

import tempfile
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader

from pacdream.core.instantiate import build


def lightning_seconds(
    config: DictConfig, module: lightning.LightningModule, loader: DataLoader[Any], steps: int, precision: str
) -> float:
    """Seconds of so many training steps with all their logging, after ``config.warmup_steps`` more."""
    watch = _Stopwatch(config.warmup_steps)
    changes = {"precision": precision, "max_steps": config.warmup_steps + steps, "max_epochs": None}
    settings = DictConfig({**OmegaConf.to_container(config.trainer, resolve=True), **changes})  # type: ignore[dict-item]
    with tempfile.TemporaryDirectory() as folder:
        build(
            settings, callbacks=[watch], logger=CSVLogger(folder), enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        ).fit(module, loader)  # fmt: skip
    return watch.seconds


class _Stopwatch(lightning.Callback):
    """Seconds between the end of step ``warmup`` and the end of the last."""

    def __init__(self, warmup: int) -> None:
        self.warmup, self.start, self.seconds = warmup, 0.0, 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Start, or read, the clock."""
        if torch.cuda.is_available() and trainer.global_step in (self.warmup, trainer.max_steps):
            torch.cuda.synchronize()
        if trainer.global_step == self.warmup:
            self.start = time.perf_counter()
        self.seconds = time.perf_counter() - self.start
