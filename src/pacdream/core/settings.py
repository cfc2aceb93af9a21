"""Trees of settings: read from a file, and compared."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pacdream.core.files import reading
from pacdream.core.instantiate import current_targets


def read_settings(path: Path, remedy: str) -> DictConfig:
    """Settings that a run keeps as YAML; what has moved since it was written is named as it is now.

    Raises:
        ValueError: the file is damaged; ``remedy`` tells what to do.
    """
    with reading(path, remedy):
        found = OmegaConf.load(path)
        if not isinstance(found, DictConfig) or not found:
            raise ValueError("it holds no settings")
        return OmegaConf.create(current_targets(OmegaConf.to_container(found, resolve=False)))


def differences(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """``key: old -> new`` for every setting, at any depth, that is not the same in both.

    >>> differences({"optimizer": {"lr": 0.001}}, {"optimizer": {"lr": 0.01}})
    ['optimizer.lr: 0.001 -> 0.01']
    """
    there, here = _flatten(was), _flatten(now)
    changed = [key for key in sorted({*there, *here}) if there.get(key) != here.get(key)]
    return [f"{key}: {there.get(key)} -> {here.get(key)}" for key in changed]


def _flatten(nested: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(nested, dict):
        return {prefix: nested}
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flatten(value, f"{prefix}.{key}".lstrip("."))
    return flat
