"""How a run ended: ``result.json`` if it finished, ``error.txt`` if it failed."""

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pacdream.core.files import reading, write_json


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
def error_file(folder: Path) -> Iterator[None]:
    """Leave an error's line and its traceback in ``error.txt``, which the summary of a sweep shows."""
    path = folder / "error.txt"
    path.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # on a full disk the error itself counts more
            path.write_text(f"{_first_line(error)}\n\n{traceback.format_exc()}")
        raise


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
