"""A process that has imported everything and forks itself for each command, which so begins at once.

Reads one JSON object per line: ``{"argv", "cwd", "log"}`` starts a command in a session of its own and answers its
process id; ``{"poll": pid}`` answers its exit code, nothing while it runs. Ends with its input, not its commands.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins

sys.path.insert(1, str(Path(__file__).parents[2]))

import tests.survival.tiny_training  # noqa: F401 - all of these are only waited for


def serve() -> dict[str, Any] | None:
    """Answer requests; returns in the forked process, with what it is to run, and at the end of the input."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        answer = _poll(request["poll"]) if "poll" in request else os.fork()
        if answer == 0 and "argv" in request:
            return request
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    return None


def _poll(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def become(argv: list[str], cwd: str, log: str) -> None:
    """Run a script as ``python <argv>`` would."""
    os.setsid()
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv, sys.path[0] = argv, str(Path(cwd, argv[0]).parent)
    runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    Plugins.instance()  # Hydra looks for them in every package
    if (found := serve()) is not None:
        become(**found)
