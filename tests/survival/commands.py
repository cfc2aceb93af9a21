"""Whole commands in sessions of their own, which can be killed at any moment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import ROOT

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass
class Command:
    """A started command."""

    pid: int
    """Of its first process, and of its session."""
    log: Path
    """All that it says."""
    ask: Callable[[], int | None]
    """Its exit code, nothing while it runs."""
    code: int | None = None

    def poll(self) -> int | None:
        """Its exit code (negative: the signal that killed it), nothing while it runs."""
        self.code = self.ask() if self.code is None else self.code
        return self.code

    def wait(self, seconds: float = 120) -> int:
        """Its exit code."""
        self.until(lambda: False, seconds, look_every=0.01)
        assert self.code is not None, f"still running after {seconds} s:\n{self.output}"
        return self.code

    def until(self, happened: Callable[[], bool], seconds: float = 120, look_every: float = 0.001) -> bool:
        """Wait until something has happened or the command has ended; whether it still runs."""
        end = time.monotonic() + seconds
        while self.poll() is None and not happened() and time.monotonic() < end:
            time.sleep(look_every)
        return self.poll() is None

    def send(self, number: int, to_all: bool = False) -> None:
        """Send a signal to its first process, or to all of them as a terminal's Ctrl-C does."""
        os.killpg(self.pid, number) if to_all else os.kill(self.pid, number)

    def kill(self, to_all: bool) -> None:
        """End it, and see that nothing of it goes on."""
        self.send(signal.SIGSTOP, to_all)  # now: to list its processes takes a while
        processes = self.processes()
        self.send(signal.SIGKILL, to_all)
        self.wait()
        self.assert_gone(processes)

    def processes(self) -> list[psutil.Process]:
        """Those that it has started, and theirs."""
        return psutil.Process(self.pid).children(recursive=True)

    def assert_gone(self, processes: Sequence[psutil.Process] = (), seconds: float = 20) -> None:
        """See that none of these and none of its session is alive."""
        end = time.monotonic() + seconds
        while living := [p for p in {*processes, *_session(self.pid)} if _lives(p)]:
            assert time.monotonic() < end, f"still alive: {[' '.join(p.cmdline()) for p in living]}"
            time.sleep(0.01)

    @property
    def output(self) -> str:
        """All that it has said."""
        return self.log.read_text() if self.log.exists() else ""


def _session(number: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == number:
                found.append(process)
        except OSError:
            continue
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Starter:
    """Starts commands: ``now`` in a fork of a process that has imported everything, ``cold`` as a user does."""

    def __init__(self, logs: Path) -> None:
        """``logs`` is a folder for what the commands say."""
        self.logs, self.started, self.lock = logs, list[Command](), threading.RLock()
        self.server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("warm.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT,
        )  # fmt: skip

    def now(self, *argv: str) -> Command:
        """Start a command."""
        with self.lock:
            log = self._log()
            pid = self._ask(argv=argv, cwd=str(ROOT), log=str(log))
            assert pid is not None
            return self._noted(Command(pid, log, lambda: self._ask(poll=pid)))

    def cold(self, *argv: str) -> Command:
        """Start a command in a new Python."""
        log = self._log()
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *argv], cwd=ROOT, env=ENVIRONMENT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        return self._noted(Command(process.pid, log, process.poll))

    def finish(self, *argv: str) -> Command:
        """Run a command, which must succeed and leave no process behind."""
        command = self.now(*argv)
        assert command.wait() == 0, command.output
        command.assert_gone()
        return command

    def close(self) -> None:
        """End everything."""
        for command in self.started:
            if command.poll() is None:
                command.kill(to_all=True)
        self.server.communicate()

    def _log(self) -> Path:
        return self.logs / f"{len(self.started)}.txt"

    def _noted(self, command: Command) -> Command:
        self.started.append(command)
        return command

    def _ask(self, **request: object) -> int | None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        with self.lock:
            self.server.stdin.write(f"{json.dumps(request)}\n")
            self.server.stdin.flush()
            answer: int | None = json.loads(self.server.stdout.readline())
            return answer
