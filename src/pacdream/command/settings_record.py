"""The settings a run was begun with, against those of another start in its folder."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def changed_settings(folder: Path, config: DictConfig) -> list[str]:
    """What has changed since a run was begun that has learnt something; nothing for one that has not.

    Raises:
        ValueError: settings have changed, and this start does not name the run with ``resume=``; or they decide which
            episodes are held out.
    """
    if not _has_learnt(folder):
        return []
    changed = differences(_comparable(_begun_with(folder)), _comparable(config))
    fixed = [change for change in changed if change.partition(":")[0] in _OF_THE_EPISODES]
    if changed and config.resume is None:
        raise _refusal(folder, "was begun with other settings", changed)
    if fixed:
        raise _refusal(folder, "has trained on, or held out, other episodes", fixed)
    for change in changed:
        log.warning("going on with another setting: %s", change)
    return changed


def store_settings(folder: Path, config: DictConfig) -> None:
    """Store what a run goes on with, once nothing more can be refused: its settings, and the overrides as typed."""
    typed = folder / ".hydra" / "overrides.yaml"
    if typed.is_file():
        with atomic_path(folder / "overrides.yaml") as temporary:
            shutil.copyfile(typed, temporary)
    _write_yaml(folder / "settings.yaml", config)


@contextmanager
def unchanged_if_refused(folder: Path) -> Iterator[None]:
    """Put back what Hydra has written over in the folder of a run that has learnt something, if this start fails."""
    try:
        yield
    except BaseException:
        if _has_learnt(folder):
            with suppress(ValueError, OSError):  # what the start failed for counts more
                _write_yaml(folder / ".hydra" / "config.yaml", _begun_with(folder))
                with atomic_path(folder / ".hydra" / "overrides.yaml") as temporary:
                    shutil.copyfile(folder / "overrides.yaml", temporary)
        raise


def _has_learnt(folder: Path) -> bool:
    learnt = (folder / "checkpoints" / "last.ckpt", folder / "result.json")
    return (folder / "settings.yaml").is_file() and any(file.is_file() for file in learnt)


def _begun_with(folder: Path) -> DictConfig:
    return read_settings(folder / "settings.yaml", "restore it, or delete it to go on unchecked")


def _refusal(folder: Path, why: str, changed: list[str]) -> ValueError:
    stored = folder / "settings.yaml"
    return ValueError(f"{folder} {why} ({', '.join(changed)[:300]}): choose those again, which are in {stored}")


def _comparable(config: DictConfig) -> dict[str, Any]:
    """All that decides what a run learns, as it is written: what the machine decides may change with it."""
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return {key: value for key, value in plain.items() if key not in _OF_A_START}


def _write_yaml(path: Path, config: DictConfig) -> None:
    with atomic_path(path) as temporary:
        OmegaConf.save(config, temporary)
