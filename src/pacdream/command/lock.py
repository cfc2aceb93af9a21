"""One process trains in a run's folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from pacdream.core.files import open_lock


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
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
