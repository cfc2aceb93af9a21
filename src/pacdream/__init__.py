"""pacdream: a latent-space world-model lab for Atari games."""

from pathlib import Path
from typing import TYPE_CHECKING

from pacdream.core import threads

if TYPE_CHECKING:
    from pacdream.command.run import Run

__version__ = "0.1.0"

threads.prepare()


def load_run(path: str | Path) -> "Run":
    """Open a training run: its folder, or a folder of runs, of which the newest finished one is taken.

    Raises:
        ValueError: there is no finished run.

    >>> import pacdream
    >>> run = pacdream.load_run("outputs/train/gru_baseline")
    >>> run.model().grid_shape
    (7, 5)
    """
    from pacdream.command.run import open_run  # here: recording processes import this package and need no torch

    return open_run(path)
