"""The settings a run was begun with, against those of another start in its folder."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, ListConfig, OmegaConf

from pacdream.core.files import atomic_path
from pacdream.core.settings import differences, read_settings

log = logging.getLogger(__name__)

_OF_A_START = ("resume", "sweep", "paths", "logger")
"""Settings that may differ between the starts of a run: where it lies and who hears of it."""
_RESTORED = ("optimizer", "scheduler")
"""Settings of what a checkpoint holds the state of."""
_OF_THE_EPISODES = (
    "data.val_fraction", "data.split_seed", "data.train_episodes", "data.more_episodes", "recording.episodes",
)  # fmt: skip
"""Settings that no start may change: what was trained on would be held out, or would not be known."""


def changed_settings(folder: Path, config: DictConfig) -> list[str]:
    """What has changed since a run was begun that has learnt something; nothing for one that has not.

    Raises:
        ValueError: settings have changed, and this start does not name the run with ``resume=``; or they decide which
            episodes are held out, or would have no effect.
    """
    if not _has_learnt(folder):
        return []
    changed = differences(_comparable(_begun_with(folder)), _comparable(config))
    fixed = [change for change in changed if change.partition(":")[0] in _OF_THE_EPISODES]
    if changed and config.resume is None:
        raise _refusal(folder, "was begun with other settings", changed)
    if fixed:
        raise _refusal(folder, "has trained on, or held out, other episodes", fixed)
    if restored := without_effect(folder, config):
        said = ", ".join(restored)[:300]
        follows = " (total_steps follows from trainer.max_steps where it is not given)" if "total_steps" in said else ""
        raise ValueError(
            f"{folder} goes on with the optimizer, the schedule and the patience in its checkpoint, whatever is said "
            f"now ({said}): leave them as they were{follows}, or begin a new run with "
            f"weights={folder / 'checkpoints' / 'last.ckpt'}"
        )
    for change in changed:
        log.warning("going on with another setting: %s", change)
    return changed


def without_effect(folder: Path, config: DictConfig) -> list[str]:
    """Settings that differ from those of the run in ``folder`` and that its checkpoints bring with them as they were.

    What follows from another setting, such as the length of a schedule, is told under its own name.
    """
    begun = _begun_with(folder)
    found = differences(_restored(begun), _restored(config))
    patience = [OmegaConf.select(each, "callback.early_stopping.patience") for each in (begun, config)]
    if None not in patience and patience[0] != patience[1]:
        found.append(f"callback.early_stopping.patience: {patience[0]} -> {patience[1]}")
    return found


def _restored(config: DictConfig) -> dict[str, Any]:
    module = config.get("module") or {}
    return {name: OmegaConf.to_container(module[name], resolve=True) for name in _RESTORED if module.get(name)}


def store_settings(folder: Path, config: DictConfig, overrides: Sequence[str]) -> None:
    """Store what a run goes on with, once nothing more can be refused: its settings, and the overrides as typed.

    Also where Hydra has written them, which may have been done again by a start that had to wait.
    """
    typed = OmegaConf.create(list(overrides))
    for path in (folder / "settings.yaml", folder / ".hydra" / "config.yaml"):
        _write_yaml(path, config)
    for path in (folder / "overrides.yaml", folder / ".hydra" / "overrides.yaml"):
        _write_yaml(path, typed)


@contextmanager
def unchanged_if_refused(folder: Path) -> Iterator[None]:
    """Put back what Hydra has written over in the folder of a run that has begun, if this start fails."""
    try:
        yield
    except BaseException:
        if (folder / "settings.yaml").is_file():
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
    trainer = plain.get("trainer") or {}
    if str(trainer.get("devices")).startswith("${gpu_of:"):  # launcher=joblib: one device, whichever
        trainer["devices"] = 1
    return {key: value for key, value in plain.items() if key not in _OF_A_START}


def _write_yaml(path: Path, config: DictConfig | ListConfig) -> None:
    with atomic_path(path) as temporary:
        OmegaConf.save(config, temporary)
