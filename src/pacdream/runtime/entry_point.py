"""What every command does around its work: resolvers before, one-line errors after."""

import functools
import logging
import os
import sys
from collections.abc import Callable

from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)

OmegaConf.register_new_resolver("cpu_count", lambda: os.cpu_count() or 1, replace=True)


def entry_point(main: Callable[[DictConfig], float | None]) -> Callable[[DictConfig], float | None]:
    """Wrap a Hydra main function: a user's error ends in one line and exit code 1, Ctrl-C in one line and 130.

    Set ``HYDRA_FULL_ERROR=1`` for the whole traceback.
    """

    @functools.wraps(main)
    def run(config: DictConfig) -> float | None:
        try:
            return main(config)
        except ValueError as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            log.error("%s", error)
            sys.exit(1)
        except KeyboardInterrupt:
            log.error("interrupted: what was finished is on disk, run the command again to go on")
            sys.exit(130)

    return run
