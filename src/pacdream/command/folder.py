"""The folder of a run: one process trains in it, and the same command goes on with what it finds there."""

import json
import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from filelock import Timeout
from omegaconf import DictConfig, OmegaConf

from pacdream.core.files import atomic_path, open_lock, reading, write_json
from pacdream.core.settings import differences, read_settings

log = logging.getLogger(__name__)

_OF_THE_START = ("resume", "sweep", "paths", "logger")
"""Settings that may differ between the starts of a run: where it lies and who hears of it."""


@dataclass(frozen=True)
class Result:
    """What a finished training leaves in ``result.json``."""

    score: float | None
    """Best value of ``monitor``; none if it was never measured."""
    monitor: str | None
    step: int
    epoch: int
    reported: bool
    """Its report is written as well, or it has none."""

    def __post_init__(self) -> None:
        """Check the types, since it may come from a damaged file."""
        found = [type(value) for value in (self.step, self.epoch, self.reported)]
        measured = isinstance(self.score, float | int | None) and isinstance(self.monitor, str | None)
        if found != [int, int, bool] or not measured:
            raise ValueError(f"{self} is no result")

    def write(self, folder: Path) -> None:
        """Write it, atomically."""
        write_json(folder / "result.json", asdict(self))


def read_result(folder: Path) -> Result | None:
    """What the run in ``folder`` has left, nothing if it has not finished.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / "result.json"
    if not path.is_file():
        return None
    with reading(path, "delete it, and the run goes on from its checkpoint"):
        return Result(**json.loads(path.read_text()))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a run's folder, which no two processes may train in; the further processes of one DDP run may.

    Raises:
        ValueError: another process does, or the folder cannot be written to.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield
        return
    try:
        held = open_lock(folder / ".lock").acquire(timeout=0)
    except Timeout as error:
        raise ValueError(f"another process is training in {folder}: wait for it or stop it first") from error
    with held:
        yield


def checkpoint_to_go_on_from(folder: Path, resume: str | None) -> Path | None:
    """The folder's own last checkpoint, else the one that ``resume`` names, else none."""
    own = folder / "checkpoints" / "last.ckpt"
    if own.is_file():
        return own
    return Path(resume) if resume is not None and not Path(resume).is_dir() else None


@contextmanager
def noting_errors(folder: Path) -> Iterator[None]:
    """Leave an error's line and its traceback in ``error.txt``, which the summary of a sweep shows."""
    path = folder / "error.txt"
    path.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # on a full disk the error itself counts more
            path.write_text(f"{_first_line(error)}\n\n{traceback.format_exc()}")
        raise


def keep_settings(folder: Path, config: DictConfig) -> list[str]:
    """Store in ``settings.yaml`` what a run is begun with; return what has changed for one that has learnt something.

    Raises:
        ValueError: settings have changed since, and this start does not name the run with ``resume=``.
    """
    path, changed = folder / "settings.yaml", []
    learnt = [folder / "checkpoints" / "last.ckpt", folder / "result.json"]
    if path.is_file() and any(file.is_file() for file in learnt):
        began = read_settings(path, "restore it, or delete it to go on unchecked")
        changed = differences(_comparable(began), _comparable(config))
        if changed and config.resume is None:
            _write_yaml(folder / ".hydra" / "config.yaml", began)  # Hydra has written the new ones there
            raise ValueError(f"{folder} was begun with other settings ({', '.join(changed)[:300]}): choose those again")
        for change in changed:
            log.warning("going on with another setting: %s", change)
    _write_yaml(path, config)
    return changed


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _comparable(config: DictConfig) -> dict[str, Any]:
    """All that decides what a run learns, as it is written: what the machine decides may change with it."""
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return {key: value for key, value in plain.items() if key not in _OF_THE_START}


def _write_yaml(path: Path, config: DictConfig) -> None:
    with atomic_path(path) as temporary:
        OmegaConf.save(config, temporary)
