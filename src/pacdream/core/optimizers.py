"""Optimizer and schedule in the form Lightning wants, the same for every network."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

MakeOptimizer = Callable[[Iterable[tuple[str, Parameter]]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler]


def configure_optimizers(
    network: nn.Module,
    make_optimizer: MakeOptimizer,
    make_scheduler: MakeScheduler | dict[str, Any] | None,
    watched: str,
) -> dict[str, Any]:
    """Build both; one-cycle schedules advance every step, all others every epoch, a plateau by what is ``watched``."""
    optimizer = make_optimizer(network.named_parameters())
    if not callable(make_scheduler):  # scheduler=none composes to an empty dictionary
        return {"optimizer": optimizer}
    try:
        scheduler = make_scheduler(optimizer)
        if (period := getattr(scheduler, "T_max", 1)) < 1:
            raise ValueError(f"T_max is {period}")
    except ValueError as error:
        raise ValueError(
            f"scheduler: {error}; set trainer.max_steps for one_cycle, trainer.max_epochs for cosine"
        ) from error
    settings: dict[str, Any] = {"scheduler": scheduler}
    settings["interval"] = "step" if isinstance(scheduler, OneCycleLR) else "epoch"
    if isinstance(scheduler, ReduceLROnPlateau):
        settings |= {"monitor": watched, "strict": False}  # there are epochs in which nothing is validated
    return {"optimizer": optimizer, "lr_scheduler": settings}
