"""What every command does around its work: resolvers before, one-line errors after."""

import functools
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)


def entry_point(main: Callable[[DictConfig], float | None]) -> Callable[[DictConfig], float | None]:
    """Wrap a Hydra main function so that a user's error ends in one line and exit code 1, and Ctrl-C in 130.

    In a multirun the other jobs go on. Set ``HYDRA_FULL_ERROR=1`` for the whole traceback.
    """

    @functools.wraps(main)
    def run(config: DictConfig) -> float | None:
        try:
            return main(config)
        except (ValueError, OSError) as error:
            raise CompactHydraException(f"{Path(sys.argv[0]).name}: {error}") from error
        except (KeyboardInterrupt, SystemExit) as stop:
            # Lightning turns Ctrl-C into an exit of its own.
            if isinstance(stop, SystemExit) and not isinstance(stop.__context__, KeyboardInterrupt):
                raise
            log.error("interrupted: what was finished is on disk, run the command again to go on")
            sys.exit(130)

    return run


def cpu_count() -> int:
    """Processors of this machine."""
    return os.cpu_count() or 1


def precision(accelerator: str) -> str:
    """``bf16-mixed`` if training will run on a CUDA device that has bfloat16, else ``32-true``."""
    import torch  # recording must not wait for it

    on_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"


def writable(folder: str) -> str:
    """The folder, which is made if it does not exist; the command ends with one line if it cannot be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        # Hydra resolves its folders outside of `run`, and reports any other exception with a traceback.
        sys.exit(f"cannot write to {folder}: {error.strerror} (choose another folder with paths.outputs=<folder>)")


for _resolver in (cpu_count, precision, writable):
    OmegaConf.register_new_resolver(_resolver.__name__, _resolver, replace=True)
