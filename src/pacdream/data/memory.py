"""Say what will be loaded before it is loaded."""

import logging

import psutil

log = logging.getLogger(__name__)


def announce(what: str, num_bytes: int, remedy: str) -> None:
    """Log a memory budget.

    Raises:
        ValueError: it does not fit; ``remedy`` tells what to do.
    """
    free = psutil.virtual_memory().available
    log.info("memory: %s take %.1f MB of %.0f MB free", what, num_bytes / 1e6, free / 1e6)
    if num_bytes > free:
        raise ValueError(f"{what} take {num_bytes / 1e9:.1f} GB but only {free / 1e9:.1f} GB are free: {remedy}")
