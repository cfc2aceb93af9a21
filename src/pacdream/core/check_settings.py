"""Settings against the hints of whatever takes them: types, ranges, what may be null."""

import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from pacdream.core.limits import Natural, Positive, Range

_PRIMITIVE = (bool, int, float, str)
_CONTAINERS = (list, tuple, dict, Sequence, Mapping)
_NO_HINT: Any = object()

_ALSO: dict[str, dict[str, Any]] = {
    "lightning.pytorch.callbacks.EarlyStopping": {"patience": Natural},
    "torch.optim.lr_scheduler.StepLR": {"step_size": Positive},
}
"""What the constructors of other packages do not say of themselves."""


def check_settings(config: DictConfig, schema: type | None = None) -> None:
    """Check all settings here and below against the hints of what they are for, without building anything.

    Args:
        config: settings.
        schema: a dataclass whose hints those at the top are checked against, if they are for no ``_target_``.

    Raises:
        ValueError: names the first setting that is missing, of the wrong type or out of range.
    """
    hints = _hints(schema) if schema else _hints_of_target(config.get("_target_"))
    for problem in _problems(config, config._get_full_key(None), hints):
        raise ValueError(problem)


def _problems(config: DictConfig, key: str, hints: Mapping[str, Any]) -> Iterator[str]:
    """One line for each setting, here or below, that does not fit the hint of its name; those here come first."""
    for name in sorted(config, key=lambda name: isinstance(config._get_node(name), DictConfig)):
        path, hint = f"{key}.{name!s}".lstrip("."), hints.get(str(name), _NO_HINT)
        if OmegaConf.is_missing(config, name):
            if hint is not _NO_HINT:
                yield f"{path} is not set: give {path}=<{_name(hint)}>"
            continue
        value = config[name]
        if isinstance(value, DictConfig):
            yield from _problems(value, path, _hints_of_target(value.get("_target_")) or _hints_of_values(hint, value))
        elif hint is not _NO_HINT:
            yield from _misfit(path, hint, OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)


def _misfit(path: str, hint: Any, value: Any) -> Iterator[str]:
    """One line if the value is of another type than the hint, or out of its range."""
    setting = f"{path}={'null' if value is None else repr(value)}"
    if not _accepts(hint, value):
        yield f"{setting} is no {_name(hint)}"
    elif type(value) in (int, float):
        yield from (f"{setting} must {limits}" for limits in _limits(hint) if value not in limits)


def _hints_of_target(target: str | None) -> dict[str, Any]:
    if target is None:
        return {}
    try:
        return {**_hints(get_object(target)), **_ALSO.get(target, {})}
    except (NameError, TypeError, AttributeError, ImportError, ValueError):
        return {}  # no such thing, which building it will say better, or hints that cannot be evaluated


def _hints(taker: Any) -> dict[str, Any]:
    """Hints of a function's or constructor's arguments; what is none by default may be none."""
    function = taker.__init__ if inspect.isclass(taker) else taker
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is None and name in hints:
            hints[name] = typing.Optional[hints[name]]  # noqa: UP045 - not all hints know |
    return hints


def _hints_of_values(hint: Any, config: DictConfig) -> dict[str, Any]:
    """Of a ``dict[str, V]``, the hint ``V`` for every key."""
    for option in _options(hint) if _is_union(hint) else (hint,):
        if typing.get_origin(option) in (dict, Mapping):
            return dict.fromkeys(map(str, config), typing.get_args(option)[1])
    return {}


def _accepts(hint: Any, value: Any) -> bool:
    """Whether a plain value can be of the hinted type; what only the constructor knows is left to it."""
    if typing.get_origin(hint) is typing.Annotated or _is_union(hint):
        options = _options(hint)
        if type(value) in _PRIMITIVE:  # meant as one of those, if there are any, not as the making of a tensor
            options = [option for option in options if _is_primitive(option)] or options
        return any(_accepts(option, value) for option in options)
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    kind = typing.get_origin(hint) or hint
    if value is None:
        return kind is types.NoneType or kind in (Any, object) or isinstance(kind, typing.TypeVar)
    if isinstance(value, list):
        return kind not in (*_PRIMITIVE, types.NoneType)
    if kind in _PRIMITIVE:
        return type(value) is kind or (type(value) is int and kind is float)
    return kind not in (*_CONTAINERS, types.NoneType)


def _options(hint: Any) -> Sequence[Any]:
    """Of ``A | B`` both, of ``Annotated[A, …]`` the one type ``A``."""
    return typing.get_args(hint) if _is_union(hint) else typing.get_args(hint)[:1]


def _is_primitive(hint: Any) -> bool:
    return hint in _PRIMITIVE or typing.get_origin(hint) in (typing.Annotated, typing.Literal)


def _limits(hint: Any) -> Iterator[Range]:
    if _is_union(hint):
        for option in typing.get_args(hint):
            yield from _limits(option)
    elif typing.get_origin(hint) is typing.Annotated:
        yield from (extra for extra in hint.__metadata__ if isinstance(extra, Range))


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _name(hint: Any) -> str:
    """As a user would say it."""
    if typing.get_origin(hint) is typing.Annotated or _is_union(hint):
        return " | ".join(map(_name, _options(hint)))
    if hint is types.NoneType:
        return "null"
    if (typing.get_origin(hint) or hint) in (dict, Mapping):
        return "group of settings"
    return str(hint) if typing.get_origin(hint) else getattr(hint, "__name__", str(hint))
