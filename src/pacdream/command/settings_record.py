"""The settings a run was begun with, against those of another start in its folder."""

import logging
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from pacdream.core.files import atomic_path
from pacdream.core.settings import differences, read_settings

log = logging.getLogger(__name__)

_OF_A_START = ("resume", "sweep", "paths", "logger")
"""Settings that may differ between the starts of a run: where it lies and who hears of it."""
_OF_THE_EPISODES = (
    "data.val_fraction", "data.split_seed", "data.train_episodes", "data.more_episodes", "recording.episodes",
)  # fmt: skip
"""Settings that no start may change: what was trained on would be held out, or would not be known."""


def record_settings(folder: Path, config: DictConfig) -> list[str]:
    """Store in ``settings.yaml`` what a run is begun with; return what has changed for one that has learnt something.

    Raises:
        ValueError: settings have changed since, and this start does not name the run with ``resume=``; or they decide
            which episodes are held out.
    """
    path, changed = folder / "settings.yaml", []
    learnt = [folder / "checkpoints" / "last.ckpt", folder / "result.json"]
    if path.is_file() and any(file.is_file() for file in learnt):
        began = read_settings(path, "restore it, or delete it to go on unchecked")
        changed = differences(_comparable(began), _comparable(config))
        fixed = [change for change in changed if change.partition(":")[0] in _OF_THE_EPISODES]
        if changed and config.resume is None:
            _refuse(folder, began, "was begun with other settings", changed)
        if fixed:
            _refuse(folder, began, "has trained on, or held out, other episodes", fixed)
        for change in changed:
            log.warning("going on with another setting: %s", change)
    _write_yaml(path, config)
    return changed


def _refuse(folder: Path, began: DictConfig, why: str, changed: list[str]) -> None:
    _write_yaml(folder / ".hydra" / "config.yaml", began)  # Hydra has written the new ones there
    stored = folder / "settings.yaml"
    raise ValueError(f"{folder} {why} ({', '.join(changed)[:300]}): choose those again, which are in {stored}")


def _comparable(config: DictConfig) -> dict[str, Any]:
    """All that decides what a run learns, as it is written: what the machine decides may change with it."""
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return {key: value for key, value in plain.items() if key not in _OF_A_START}


def _write_yaml(path: Path, config: DictConfig) -> None:
    with atomic_path(path) as temporary:
        OmegaConf.save(config, temporary)
