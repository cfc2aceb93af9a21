"""Commands that are killed again and again lose nothing, and end with what an undisturbed one ends with."""

import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.survival.commands import Command, Starter
from tests.survival.work import (
    Encoding,
    FromNothing,
    Recording,
    Sweeping,
    Training,
    Work,
    jobs,
    sweep,
    training,
    training_a_tokenizer,
)  # fmt: skip

KILLS = 20
OFTEN = "callback.safe_stop.save_every_minutes=0"


@dataclass(frozen=True)
class Moment:
    """When to kill: a random time after a command has said something and then written some files."""

    longest: float
    """Seconds after that."""
    said: str
    written: str = ""
    """A pattern for the paths of these files; empty for none."""
    most: int = 1
    """Of them, or of new contents of one of them; how many is random."""

    def sign(self, command: Command, folder: Path, chance: random.Random) -> Callable[[], bool]:
        """Tells whether that has happened since now."""
        seen: set[tuple[Path, int]] | None = None
        left = chance.randint(1, self.most) if self.written else 0

        def happened() -> bool:
            nonlocal seen, left
            if self.said in command.output:
                now = _written(folder, self.written)
                left -= seen is not None and bool(now - seen)
                seen = now
            return seen is not None and left <= 0

        return happened


def _written(folder: Path, pattern: str) -> set[tuple[Path, int]]:
    found = set()
    for path in folder.glob(pattern) if pattern else ():
        with suppress(FileNotFoundError):  # a temporary one
            found.add((path, path.stat().st_mtime_ns))
    return found


RECORDING, TRAINING = "recording", "memory: "
WRITING_EPISODES = [
    Moment(2.0, RECORDING),
    Moment(0.1, RECORDING, "episodes/**/episode_*.h5", most=3),
    Moment(0.003, RECORDING, "episodes/**/.episode*.tmp", most=3),
    Moment(0.003, RECORDING, "episodes/**/.manifest*.tmp", most=3),
]
WRITING_CACHES = [*4 * [Moment(0.6, "encoding")], Moment(0.0, "encoding", "latents/.*.tmp")]
WRITING_CHECKPOINTS = [
    Moment(1.0, ""),
    Moment(0.1, TRAINING),
    Moment(0.02, TRAINING, "**/checkpoints/last.ckpt", most=8),
    Moment(0.003, TRAINING, "**/checkpoints/.last*.tmp", most=8),
    Moment(0.003, TRAINING, "**/checkpoints/*best*", most=3),
    Moment(0.01, TRAINING, "**/csv/metrics.csv", most=8),
]
IN_SWEEPS = [*WRITING_CHECKPOINTS, Moment(0.5, "Launching", "sweep/*/result.json", most=2)]


def survive(begin: Callable[[], Work], moments: Iterable[Moment], seed: int) -> None:
    """Kill a piece of work at each moment, another one if that is finished by then, and let each of them complete."""
    chance, work, faster = random.Random(seed), begin(), 0
    for number, moment in enumerate(moments):
        while not killed(work, moment, chance, to_all=number % 2 == 1):
            work.complete()
            work, faster = begin(), faster + 1
            assert faster < KILLS, "it is always faster"
    work.complete()


def killed(work: Work, moment: Moment, chance: random.Random, to_all: bool) -> bool:
    """Start and kill it, the first of its processes or all of them; false if it had finished before."""
    if not work.unfinished():
        return False
    command = work.start()
    command.until(moment.sign(command, work.folder, chance), look_every=min(0.001, moment.longest / 10))
    end = time.monotonic() + chance.uniform(0, moment.longest)
    command.until(lambda: time.monotonic() > end)
    if command.poll() is None:
        command.kill(to_all)
        work.check()
        return work.unfinished()
    assert command.code == 0, command.output
    return False


def often(moments: list[Moment], seed: int, kills: int = KILLS) -> list[Moment]:
    """At least once each."""
    chance = random.Random(seed)
    return chance.sample([*moments, *chance.choices(moments, k=kills - len(moments))], kills)


@pytest.fixture
def new(tmp_path: Path) -> Callable[[], Path]:
    """A new folder with each call."""

    def folder() -> Path:
        path = tmp_path / str(len([*tmp_path.iterdir()]))
        path.mkdir()
        return path

    return folder


@pytest.mark.slow
def test_everything(starter: Starter, undisturbed: Path, tokenizer_path: Path, new: Callable[[], Path]) -> None:
    def begin() -> Work:
        folder = new()
        return FromNothing(starter, folder, sweep(training(folder, tokenizer_path)), undisturbed)

    survive(begin, [WRITING_EPISODES[1], WRITING_CACHES[0], WRITING_CHECKPOINTS[2]], seed=0)


@pytest.mark.slow
def test_recording(starter: Starter, undisturbed: Path, new: Callable[[], Path]) -> None:
    survive(lambda: Recording(starter, new(), undisturbed), often(WRITING_EPISODES, 1), seed=1)


@pytest.mark.slow
def test_encoding(starter: Starter, undisturbed: Path, tokenizer_path: Path, new: Callable[[], Path]) -> None:
    def begin() -> Work:
        folder = new()
        short = (f"recording.output={undisturbed}/episodes/default", "data.limit=16", "trainer.max_epochs=1")
        return Encoding(starter, folder, training(folder, tokenizer_path, *short), undisturbed)

    survive(begin, often(WRITING_CACHES, 2), seed=2)


@pytest.mark.slow
def test_training(starter: Starter, undisturbed: Path, tokenizer_path: Path, new: Callable[[], Path]) -> None:
    command, reference = training(undisturbed, tokenizer_path, OFTEN), jobs(undisturbed / "sweep")[0]
    survive(lambda: Training(starter, new(), command, reference), often(WRITING_CHECKPOINTS, 3), seed=3)


@pytest.mark.slow
def test_training_that_draws_random_numbers(starter: Starter, undisturbed: Path, new: Callable[[], Path]) -> None:
    command, reference = training_a_tokenizer(undisturbed, OFTEN), new()
    starter.finish(*command, f"hydra.run.dir={reference}")
    survive(lambda: Training(starter, new(), command, reference), often(WRITING_CHECKPOINTS, 5, kills=10), seed=5)


@pytest.mark.slow
def test_a_sweep(starter: Starter, undisturbed: Path, tokenizer_path: Path, new: Callable[[], Path]) -> None:
    reference, command = new(), sweep(training(undisturbed, tokenizer_path), jobs=3)
    starter.finish(*command, f"hydra.sweep.dir={reference / 'sweep'}")
    survive(lambda: Sweeping(starter, new(), command, reference), often(IN_SWEEPS, 4), seed=4)
