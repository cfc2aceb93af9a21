"""``python killed.py <n> <script> <arguments>`` runs a script and kills it right before or after it changes a file.

Odd numbers are before a change, even ones after it; zero is never.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

from pacdream.core import csv_logger


def until(last: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for all functions that change a file."""
    moments = 0

    def pass_moment() -> None:
        nonlocal moments
        moments += 1
        if moments == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def decorator(change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            pass_moment()
            result = change(*arguments, **named)
            pass_moment()
            return result

        return counted

    return decorator


if __name__ == "__main__":
    number, *sys.argv = sys.argv[1:]
    counted = until(int(number))
    os.replace, csv_logger._append = counted(os.replace), counted(csv_logger._append)
    runpy.run_path(sys.argv[0], run_name="__main__")
