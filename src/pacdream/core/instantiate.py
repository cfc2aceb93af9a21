"""From configuration to objects, with errors that name the setting."""

import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

_PRIMITIVE = (bool, int, float, str)

MOVED = {
    "pacdream.env.": "pacdream.game.",
    "pacdream.evaluation.report.": "pacdream.report.world_model.",
    "pacdream.evaluation.tokenizer_report.": "pacdream.report.tokenizer.",
    "pacdream.runtime.checkpoint_io.": "pacdream.core.checkpoint_io.",
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
    for old, new in MOVED.items():
        if isinstance(target, str) and target.startswith(old):
            present["_target_"] = new + target.removeprefix(old)
    return present


def build(config: DictConfig, **kwargs: Any) -> Any:
    """Instantiate ``config._target_`` with checked settings; ``kwargs`` are added to its own. Containers arrive plain.

    Raises:
        ValueError: a setting is unknown, of the wrong type or refused; the message says which and why.
    """
    check_types(config)
    key = config._get_full_key(None)
    try:
        return instantiate(config, _convert_="all", **kwargs)
    except InstantiationException as error:
        raise ValueError(f"{key}: {error.__cause__ or error}") from error


def check_types(config: DictConfig) -> None:
    """Check all settings here and below without building anything.

    Raises:
        ValueError: names the first primitive setting whose type its ``_target_`` does not take.
    """
    for problem in _type_problems(config, config._get_full_key(None)):
        raise ValueError(problem)


def _type_problems(config: DictConfig, key: str) -> Iterator[str]:
    """One line for each primitive setting, here or below, whose type its ``_target_`` does not take."""
    hints = _hints(config.get("_target_"))
    for name, value in OmegaConf.to_container(config, resolve=True).items():  # type: ignore[union-attr]
        path = f"{key}.{name!s}".lstrip(".")
        node = config[name]
        if isinstance(node, DictConfig):
            yield from _type_problems(node, path)
        elif name in hints and value is not None and not _accepts(hints[name], value):
            yield f"{path}={value!r} is no {_name(hints[name])}, which {config._target_} needs"


def _hints(target: str | None) -> dict[str, Any]:
    if target is None:
        return {}
    try:
        function = get_object(target)
        return typing.get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except (NameError, TypeError, AttributeError, ImportError, ValueError):
        return {}  # no such thing, which building it will say better, or hints that cannot be evaluated


def _accepts(hint: Any, value: Any) -> bool:
    """Whether a primitive value fits a hint made of primitives; anything else is left to the constructor."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if any(value in typing.get_args(option) for option in options if typing.get_origin(option) is typing.Literal):
        return True
    primitive = [option for option in options if option in _PRIMITIVE]
    if type(value) not in _PRIMITIVE or not primitive:
        return True
    return type(value) in primitive or (type(value) is int and float in primitive)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if not _is_union(hint) else str(hint)
