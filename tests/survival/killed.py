"""``python killed.py <n> <script> <arguments>``: a script that is killed right before it changes a file the n-th time.

All that a run reads when it goes on is written by renaming a temporary file or by appending to the curves. Right after
a change is no other moment: until the next one all files stay as they are. With 0 it is not killed, and says how many
changes there were.
"""

import atexit
import itertools
import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

from pacdream.core import csv_logger

changes = itertools.count(1)


def kill_before(last: int, change: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, but this process is killed instead of the ``last`` call of any of them."""

    def counted(*arguments: Any, **named: Any) -> Any:
        if next(changes) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*arguments, **named)

    return counted


if __name__ == "__main__":
    number, *sys.argv = sys.argv[1:]
    os.replace = kill_before(int(number), os.replace)
    csv_logger._append = kill_before(int(number), csv_logger._append)
    atexit.register(lambda: sys.stdout.write(f"{next(changes) - 1} changes of files\n"))
    runpy.run_path(sys.argv[0], run_name="__main__")
