"""What a training run is refused for, beside the types and ranges of its settings."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from torch import nn

from pacdream.command.provenance import check_same_data
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import check_resumable
from pacdream.data.origin import Origin, check_same_origin

log = logging.getLogger(__name__)


def check_launch(config: DictConfig) -> None:
    """Refuse what Lightning gets wrong: its further processes would each begin the whole sweep anew.

    Raises:
        ValueError: a job of a sweep asks for several devices, or a search looks for the worst.
    """
    devices, launched = config.trainer.get("devices"), HydraConfig.get().mode == RunMode.MULTIRUN
    direction = HydraConfig.get().sweeper.get("direction")
    direction = getattr(direction, "name", direction)  # a word, or the plugin's own type; a list for several aims
    mode = OmegaConf.select(config, "callback.checkpoint.mode")
    if launched and isinstance(direction, str) and mode is not None and not direction.startswith(mode):
        raise ValueError(
            f"the search would {direction} {config.callback.checkpoint.monitor}, of which callback.checkpoint.mode="
            f"{mode} is the best: choose hydra.sweeper.direction={mode}imize"
        )
    alone = devices == 1 or (OmegaConf.is_list(devices) and len(devices) == 1)
    if launched and not alone:
        raise ValueError(
            f"trainer.devices={devices} in a multirun: a job trains on one device (launcher=joblib uses several GPUs, "
            "one job each); train on several devices with a command of its own"
        )


def check_monitors(callbacks: Iterable[Any], module: Any) -> None:
    """Refuse a callback that waits for a figure nobody logs, which it would notice late or never.

    Raises:
        ValueError: names what can be monitored.
    """
    known = getattr(module, "monitors", ())
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if known and monitor is not None and monitor not in known:
            raise ValueError(
                f"monitor={monitor!r} of {type(callback).__name__} is not logged: choose one of {', '.join(known)}"
            )


def check_start(start: Path, model: nn.Module, data: Any) -> None:
    """Refuse to go on from a checkpoint of another network, other data or another split.

    Raises:
        ValueError: says what differs.
    """
    check_resumable(start, model)
    check_same_data(start.resolve().parents[1], data.identities())
    checkpoint = read_checkpoint(start)
    was = Origin.read(checkpoint)
    check_same_origin(start, was, data.origin)
    data.origin = replace(data.origin, before=was.before)
    log.info("going on from step %d: %s", checkpoint["global_step"], start)
