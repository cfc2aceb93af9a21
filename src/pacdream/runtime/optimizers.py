"""Optimizer and schedule in the form Lightning wants, the same for every network."""

from collections.abc import Callable, Iterable
from typing import Any

from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler]


def configure_optimizers(
    parameters: Iterable[Parameter], make_optimizer: MakeOptimizer, make_scheduler: MakeScheduler | None
) -> dict[str, Any]:
    """Build both; one-cycle schedules advance every step, all others every epoch, a plateau watches ``val/loss``."""
    optimizer = make_optimizer(parameters)
    if make_scheduler is None:
        return {"optimizer": optimizer}
    scheduler = make_scheduler(optimizer)
    settings: dict[str, Any] = {"scheduler": scheduler}
    settings["interval"] = "step" if isinstance(scheduler, OneCycleLR) else "epoch"
    if isinstance(scheduler, ReduceLROnPlateau):
        settings["monitor"] = "val/loss"
    return {"optimizer": optimizer, "lr_scheduler": settings}
