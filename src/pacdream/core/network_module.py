"""What every training of a network has in common."""

from typing import Any

import lightning
from torch import nn

from pacdream.core.optimizers import MakeOptimizer, MakeScheduler, configure_optimizers


class NetworkModule(lightning.LightningModule):
    """A network, its optimizer and its schedule; its checkpoints rebuild it."""

    model: nn.Module
    monitors: tuple[str, ...]
    """What a callback can monitor. A plateau watches the first, which falls."""

    def __init__(self, model: nn.Module, optimizer: MakeOptimizer, scheduler: MakeScheduler | None) -> None:
        """Configure.

        Args:
            model: to train.
            optimizer: a factory; see ``conf/optimizer``.
            scheduler: a factory; see ``conf/scheduler``.
        """
        super().__init__()
        self.model = model
        self._make_optimizer, self._make_scheduler = optimizer, scheduler

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """Build optimizer and schedule."""
        return configure_optimizers(self.model, self._make_optimizer, self._make_scheduler, self.monitors[0])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the checkpoint rebuild its network, and say what that was trained on."""
        checkpoint["recipe"] = self.model.recipe
        if (data := getattr(self.trainer, "datamodule", None)) is not None:
            checkpoint |= data.origin.stored()
