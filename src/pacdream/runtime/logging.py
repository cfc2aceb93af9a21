"""Weights & Biases without an account."""

import os
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger


def wandb_logger(project: str, save_dir: str, group: str, **settings: Any) -> WandbLogger:
    """A logger that is online only if ``WANDB_MODE`` says so or a key is known, and that never asks for one.

    ``settings`` go to ``wandb.init``; with the ``id`` of an earlier run they go on with it.
    """
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
    quiet = wandb.Settings(quiet=True)  # the command says itself where to look
    return WandbLogger(
        project=project, save_dir=save_dir, group=group, mode=mode, log_model=False, settings=quiet, **settings
    )


def address_of(logger: WandbLogger) -> dict[str, str]:
    """What ``wandb_logger`` needs to go on with this logger's run."""
    run = logger.experiment
    return {"project": str(run.project), "group": str(run.group), "id": str(run.id), "resume": "allow"}


def _has_key() -> bool:
    try:
        return bool(wandb.login(prompt=False))
    except (wandb.errors.Error, OSError):  # a key, but no way to check it from here
        return False
