"""A process that has imported everything and forks itself for each command, which so begins at once.

Reads one JSON object per line: ``{"argv", "cwd", "log"}`` starts a command in a session of its own and answers its
process id; ``{"poll": pid}`` answers its exit code, nothing while it runs. Ends with its input, not its commands.
"""
# ruff: noqa: E402, F401 - all that is imported is only waited for

import atexit
import gc
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

exit_code = 1
"""Of an exception that nobody catches."""


@atexit.register  # as the first, and so called as the last
def end_at_once() -> None:
    """Do not take apart all that was imported, which takes longer than most commands."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


from hydra.core.plugins import Plugins

sys.path.insert(1, str(Path(__file__).parents[2]))

import pacdream.callback.random_state
import pacdream.callback.safe_stop
import pacdream.command.entry_point
import pacdream.command.train
import pacdream.data.latent_data_module
import pacdream.sweep.callback
import pacdream.sweep.summarize
import pacdream.tokenizer.vqvae
import pacdream.world_model.gru
import pacdream.world_model.module
import tests.survival.tiny_training


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
    global exit_code
    os.setsid()
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv, sys.path[0] = argv, str(Path(cwd, argv[0]).parent)
    try:
        runpy.run_path(argv[0], run_name="__main__")
        exit_code = 0
    except SystemExit as exit_:
        exit_code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        raise


if __name__ == "__main__":
    Plugins.instance()  # Hydra looks for them in every package
    gc.collect()
    gc.freeze()  # or each command would copy all memory to look for garbage in it
    if (found := serve()) is not None:
        become(**found)
