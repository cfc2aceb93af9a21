"""Weights & Biases without an account."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger

from pacdream.core.files import reading

LONGEST_TAG = 64
"""W&B refuses more characters."""
_ADDRESS = {"project", "group", "job_type", "id", "resume"}


def wandb_logger(
    project: str, save_dir: str, group: str, tags: Sequence[str] = (), address: str | None = None, **settings: Any
) -> WandbLogger:
    """A logger that is online only if ``WANDB_MODE`` says so or a key is known, and that never asks for one.

    It goes on with the W&B run whose ``address_of`` lies in the file ``address``, if there is one.
    Further ``settings`` go to ``wandb.init``.
    """
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    if address is not None and Path(address).is_file():
        return wandb_logger(**{**settings, **_read_address(Path(address)), "save_dir": save_dir})
    mode = os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
    quiet = wandb.Settings(quiet=True)  # the command says itself where to look
    if tags:
        settings["tags"] = [str(tag)[-LONGEST_TAG:] for tag in tags]  # of a dotted path the end says most
    return WandbLogger(
        project=project, save_dir=save_dir, group=group, mode=mode, log_model=False, settings=quiet, **settings
    )


def _read_address(path: Path) -> dict[str, str]:
    with reading(path, "delete it to log into a new W&B run"):
        address: dict[str, str] = json.loads(path.read_text())
        if not {"project", "group", "id"} <= address.keys() <= _ADDRESS or {*map(type, address.values())} != {str}:
            raise ValueError("it is not the address of a run")
        return address


def address_of(logger: WandbLogger) -> dict[str, str]:
    """What ``wandb_logger`` needs to go on with this logger's run.

    Not its tags: the run keeps those it has if none are given, and given ones would replace what was added since.
    """
    run = logger.experiment
    names = {"project": run.project, "group": run.group, "job_type": run.job_type, "id": run.id, "resume": "allow"}
    return {name: str(value) for name, value in names.items()}


def check_account() -> None:
    """Check that something can be sent to W&B from here, without ever asking for a key.

    Raises:
        ValueError: no key is known, or it cannot be used.
    """
    try:
        reason = "" if wandb.login(prompt=False) else "no key is known, or WANDB_MODE keeps everything here"
    except (wandb.errors.Error, OSError) as error:
        reason = " ".join(str(error).split())
    if reason:
        raise ValueError(f"this needs a W&B account ({reason}): log in once with `wandb login`")


def _has_key() -> bool:
    try:
        check_account()
    except ValueError:
        return False
    return True
