"""The summary of a sweep at its end, however it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

_folders: list[Path] = []


class NoteSweep(Callback):
    """Notes the folder of a sweep that begins. Hydra tells its end only if no job has failed."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called in the process that starts the jobs."""
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)  # Optuna's storage lies in it, and is opened before any job
        _folders.append(folder)
        OmegaConf.save(config, folder / "multirun.yaml")  # of Hydra's sweepers only the basic one does


@contextmanager
def summary_at_end() -> Iterator[None]:
    """Summarise the sweep, if there was one, after its last job, a failed one or Ctrl-C."""
    try:
        yield
    finally:
        for folder in _folders:
            _summarize(folder)


def _summarize(folder: Path) -> None:
    from pacdream.sweep.summarize import summarize  # not before there is a sweep: it takes seconds

    try:
        if any(folder.glob("*/.hydra")):
            summarize(folder)
    except (ValueError, OSError) as error:  # must not hide how the sweep ended
        sys.stderr.write(f"no summary of {folder}: {error}\n")
