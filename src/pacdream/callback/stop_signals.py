"""SIGINT and SIGTERM that wait for a good moment."""

import logging
import signal
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)


class StopSignals:
    """Notes a first SIGINT (Ctrl-C) or SIGTERM (a cluster's); a second one ends the process at once."""

    received: int | None = None
    """Number of the signal that has come."""

    def __init__(self) -> None:
        """Takes nothing over yet."""
        self._before: dict[int, Any] = {}

    def take_over(self) -> None:
        """From now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)

    def give_back(self) -> None:
        """To whoever had them before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.give_back()
        self.received = number
        log.warning("%s: stopping after this step; once more to stop at once", signal.Signals(number).name)
