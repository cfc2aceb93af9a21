"""From configuration to objects, with errors that name the setting."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from pacdream.core.check_settings import check_settings

MOVED = {
    "pacdream.env.": "pacdream.game.",
    "pacdream.evaluation.report.": "pacdream.report.world_model.",
    "pacdream.evaluation.tokenizer_report.": "pacdream.report.tokenizer.",
    "pacdream.runtime.checkpoint_io.SealedCheckpointIO": "pacdream.core.checkpoint_io.AtomicCheckpointIO",
    "pacdream.runtime.logging.CSVLogger": "pacdream.core.csv_logger.CSVLogger",
    "pacdream.runtime.logging.": "pacdream.command.logging.",
}
"""Where the ``_target_`` of settings that were stored before a move is now: beginnings of dotted paths."""


def current_targets(settings: Any) -> Any:
    """Plain settings as they were stored, at any depth, with every moved ``_target_`` under its present name."""
    if isinstance(settings, list):
        return [current_targets(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    present = {key: current_targets(value) for key, value in settings.items()}
    target = settings.get("_target_")
    if moved := next((old for old in MOVED if str(target).startswith(old)), None):
        present["_target_"] = MOVED[moved] + str(target).removeprefix(moved)
    return present


def build(config: DictConfig, **kwargs: Any) -> Any:
    """Instantiate ``config._target_`` with checked settings; ``kwargs`` are added to its own. Containers arrive plain.

    Raises:
        ValueError: a setting is unknown, of the wrong type, out of range or refused; the message says which and why.
    """
    check_settings(config)
    key = config._get_full_key(None)
    try:
        return instantiate(config, _convert_="all", **kwargs)
    except InstantiationException as error:
        raise ValueError(f"{key}: {error.__cause__ or error}") from error
