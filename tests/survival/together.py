"""Several processes that want the same at the same moment."""

import hashlib
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from pacdream.command.lock import folder_lock
from pacdream.core.checkpoints import load_model
from pacdream.data import latent_cache, recording
from pacdream.data.episode_store import read_manifest
from pacdream.data.find_episodes import find_or_record
from pacdream.data.latent_cache import open_or_encode
from pacdream.data.recording import Recording
from pacdream.tokenizer.base import Tokenizer

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["pacdream.data.latent_cache", "pacdream.tokenizer.vqvae", "pacdream.data.find_episodes", __name__]
)
WAITING = "another process is"


@dataclass
class Outcome:
    """What became of one of several processes."""

    said: list[str] = field(default_factory=list)
    """All that it has logged."""
    result: Any = None
    error: str | None = None

    @property
    def waited(self) -> list[str]:
        """What it has said about waiting."""
        return [line for line in self.said if WAITING in line]

    def has_said(self, text: str) -> bool:
        """Whether any line holds this."""
        return any(text in line for line in self.said)


class Group:
    """What is known to all of several processes."""

    def __init__(self, count: int) -> None:
        """Of so many."""
        self.count = count
        self.start = CONTEXT.Barrier(count)
        self.waiting = CONTEXT.Value("i", 0)

    def until_all_wait(self, seconds: float = 20) -> None:
        """Called by the one that works, so that no other comes too late to wait for it."""
        end = time.monotonic() + seconds
        while self.waiting.value < self.count - 1 and time.monotonic() < end:
            time.sleep(0.01)


class _Listener(logging.Handler):
    def __init__(self, group: Group, outcome: Outcome) -> None:
        super().__init__()
        self.group, self.outcome = group, outcome

    def emit(self, record: logging.LogRecord) -> None:
        self.outcome.said.append(record.getMessage())
        if WAITING in record.getMessage():
            with self.group.waiting.get_lock():
                self.group.waiting.value += 1


def together(count: int, work: Callable[..., Any], *args: Any) -> list[Outcome]:
    """Let so many processes do the same work, beginning at the same moment."""
    group, outcomes = Group(count), []
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(count)]
    processes = [CONTEXT.Process(target=_take_part, args=(group, end, work, args)) for _, end in pipes]
    for process in processes:
        process.start()
    for (pipe, end), process in zip(pipes, processes, strict=True):
        end.close()
        assert pipe.poll(120), "it hangs"
        outcomes.append(pipe.recv())
        process.join(20)
        assert process.exitcode == 0
    return outcomes


def _take_part(group: Group, pipe: Connection, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    outcome = Outcome()
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, handlers=[_Listener(group, outcome)])
    group.start.wait(60)
    try:
        outcome.result = work(group, *args)
    except Exception as error:
        outcome.error = f"{type(error).__name__}: {error}"
    pipe.send(outcome)


def read_codes(group: Group, cache: Path, episodes: Path, tokenizer: Path) -> str:
    """Open the cache; the one that encodes begins when all others wait. Returns a hash of all that is read."""
    encode = latent_cache.encode

    def patient(*args: Any) -> latent_cache.LatentCache:
        group.until_all_wait()
        return encode(*args)

    latent_cache.encode = patient
    network = load_model(tokenizer, Tokenizer)  # type: ignore[type-abstract]
    return hash_of(open_or_encode(cache, episodes, read_manifest(episodes), network, torch.device("cpu"), 32))


def hash_of(cache: latent_cache.LatentCache) -> str:
    """Of all that a cache holds."""
    names = ("codes", "actions", "rewards", "terminated", "lives", "starts")
    return hashlib.sha256(b"".join(getattr(cache, name).numpy().tobytes() for name in names)).hexdigest()


def record(group: Group, wanted: Recording) -> str:
    """Record or find; the one that records begins when all others wait. Returns the identity of the episodes."""
    record_all = recording.record_all

    def patient(*args: Any) -> Any:
        group.until_all_wait()
        return record_all(*args)

    recording.record_all = patient
    return find_or_record(wanted.folder, wanted).sha256


def hold(group: Group, folder: Path, seconds: float = 1.0) -> int:
    """Stay alone in the folder of a run for a while; returns the id of this process."""
    with folder_lock(folder):
        time.sleep(seconds)
        return os.getpid()


def stuck_in(begun: Any, folder: Path) -> None:
    """Take the folder of a run and never give it back."""
    with folder_lock(folder):
        begun.set()
        time.sleep(600)


def stuck_while_writing(begun: Any, cache: Path, episodes: Path, tokenizer: Path) -> None:
    """Begin to write a cache and never finish."""
    torch.set_num_threads(1)
    write = Path.write_bytes

    def half(path: Path, data: Any) -> int:
        write(path, bytes(data)[: len(data) // 2])
        begun.set()
        time.sleep(600)
        return 0

    Path.write_bytes = half  # type: ignore[method-assign, assignment]
    network = load_model(tokenizer, Tokenizer)  # type: ignore[type-abstract]
    open_or_encode(cache, episodes, read_manifest(episodes), network, torch.device("cpu"), 32)
