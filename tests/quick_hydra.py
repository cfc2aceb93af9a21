"""Composing a configuration takes Hydra 0.4 s, mostly for reading and joining the same files again: here once each.

Of a configuration that begins with the same files only the values that are set on the command line differ.
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource

_READ, _JOIN = FileConfigSource.load_config, ConfigLoaderImpl._compose_config_from_defaults_list


def remember() -> None:
    """Remember from now on what is read and joined."""
    FileConfigSource.load_config = _once(_READ, lambda self, config_path: (self.path, config_path))
    ConfigLoaderImpl._compose_config_from_defaults_list = _once(
        _JOIN,
        lambda _, defaults, repo: (str([source.path for source in repo.get_sources()]), repr(defaults)),
    )


@contextmanager
def forgetting() -> Iterator[None]:
    """Read and join everything as Hydra does by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileConfigSource, "load_config", _READ)
        patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", _JOIN)
        yield


def _once(work: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Any, bytes] = {}

    def remembered(*args: Any, **kwargs: Any) -> Any:
        at = key(*args, **kwargs)
        if at not in known:
            known[at] = pickle.dumps(work(*args, **kwargs))
        return pickle.loads(known[at])  # a copy: it is changed afterwards

    return remembered
