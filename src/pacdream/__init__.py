"""pacdream: a latent-space world-model lab for Atari games."""

from pathlib import Path
from typing import TYPE_CHECKING

from pacdream.core import threads
from pacdream.registration import register

if TYPE_CHECKING:
    from pacdream.command.run import Run

__version__ = "0.1.0"

threads.prepare()
register()


def load_run(path: str | Path | None = None) -> "Run":
    """Open a training run: its folder, or a folder of runs, of which the newest finished one is taken.

    Without a path it is the one that comes with the package.

    Raises:
        ValueError: there is no finished run.

    >>> import pacdream
    >>> run = pacdream.load_run()
    >>> run.model().grid_shape
    (14, 10)
    """
    from pacdream.command.run import open_run  # here: recording processes import this package and need no torch

    return open_run(path)
