"""What every command does around its work: resolvers before, one-line errors after."""

import functools
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

import pacdream.core.resolvers  # noqa: F401 - the configuration calls them

log = logging.getLogger(__name__)

_INTERRUPTED = "interrupted: what was finished is on disk"


def entry_point(main: Callable[[DictConfig], float | None]) -> Callable[[DictConfig], float | None]:
    """Wrap a Hydra main function so that a user's error ends in one line and exit code 1, and a signal in its own.

    In a multirun the other jobs go on after an error. Set ``HYDRA_FULL_ERROR=1`` for the whole traceback.
    """

    @functools.wraps(main)
    def run(config: DictConfig) -> float | None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminate)
        logging.raiseExceptions = False  # on a full disk the log file ends, and the terminal still says why
        try:
            return main(config)
        except (ValueError, OSError, MissingMandatoryValue) as error:
            hydra = HydraConfig.get() if HydraConfig.initialized() else None
            if hydra is not None and hydra.mode == RunMode.MULTIRUN:
                log.error(error)  # Hydra itself tells only the first of a sweep's errors, and only at the end
            command = hydra.job.name if hydra is not None else Path(sys.argv[0]).stem
            raise CompactHydraException(f"{command}.py: {' '.join(str(error).split())}") from error
        except (KeyboardInterrupt, SystemExit) as stop:
            # Lightning turns Ctrl-C into an exit of its own.
            if isinstance(stop, SystemExit) and not isinstance(stop.__context__, KeyboardInterrupt):
                raise
            log.error(_INTERRUPTED)
            sys.exit(128 + signal.SIGINT)

    return run


def _terminate(number: int, _: FrameType | None) -> None:
    log.error(_INTERRUPTED)
    sys.exit(128 + number)
