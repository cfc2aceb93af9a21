"""Weights & Biases without an account."""

import os
from pathlib import Path

import wandb
from lightning.pytorch.loggers import WandbLogger


def wandb_logger(project: str, save_dir: str, group: str) -> WandbLogger:
    """A logger that is online only if ``WANDB_MODE`` says so or a key is known, and that never asks for one."""
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
    quiet = wandb.Settings(quiet=True)  # the command says itself where to look
    return WandbLogger(project=project, save_dir=save_dir, group=group, mode=mode, log_model=False, settings=quiet)


def _has_key() -> bool:
    try:
        return bool(wandb.login(prompt=False))
    except (wandb.errors.Error, OSError):  # a key, but no way to check it from here
        return False
