"""What every command does around its work: resolvers before, one-line errors after."""

import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from hydra.errors import CompactHydraException
from omegaconf import DictConfig

import pacdream.runtime.resolvers  # noqa: F401 - the configuration calls them

log = logging.getLogger(__name__)


def take_literally(*keys: str) -> None:
    """Quote the values of these command-line arguments, which are paths.

    Hydra reads ``,`` and ``=`` in a value as its own, and the folders of a sweep are named by overrides full of both.
    """
    for i, argument in enumerate(sys.argv):
        key, equals, value = argument.partition("=")
        if equals and key in keys and value and value[0] not in "[\"'" and value != "null":
            escaped = value.replace("'", "\\'")
            sys.argv[i] = f"{key}='{escaped}'"


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
