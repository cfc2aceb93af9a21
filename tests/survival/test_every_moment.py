"""A run that is killed right before any change of a file, whichever it is, loses nothing.

The fast test kills it before every fifth.
"""

import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pacdream.data.latent_data_module import LatentDataModule
from tests.survival.commands import Starter
from tests.survival.work import Training, training, training_a_tokenizer

KILLED = "tests/survival/killed.py"


def kill_before_changes(starter: Starter, begin: Callable[[Path], Training], folder: Path, every: int = 1) -> int:
    """Kill one run after the other, each ``every`` changes later than the one before; let each go on. How many."""
    whole = starter.finish(KILLED, "0", *begin(folder / "whole").arguments())
    found = re.search(r"^(\d+) changes of files$", whole.output, re.MULTILINE)
    assert found is not None

    def kill_and_go_on(number: int) -> None:
        run = begin(folder / str(number))
        command = starter.now(KILLED, str(number), *run.arguments())
        assert command.wait() == -signal.SIGKILL, command.output
        run.check()
        run.starts = number // every % 2  # the same command again, or `resume=`
        run.complete()

    with ThreadPoolExecutor(2) as pool:
        return len([*pool.map(kill_and_go_on, range(1, int(found[1]) + 1, every))])


class TinyTraining(Training):
    """Without Hydra."""

    def arguments(self) -> list[str]:
        """Always the same."""
        return [*self.command]

    def expected(self) -> list[str]:
        """It says nothing."""
        return []


@pytest.mark.parametrize(
    ("by", "every"), [("epochs", 5), *(pytest.param(by, 1, marks=pytest.mark.slow) for by in ("epochs", "steps"))]
)
def test_a_training(
    starter: Starter,
    by: str,
    every: int,
    episodes: Path,
    tokenizer_path: Path,
    latents: LatentDataModule,
    tmp_path: Path,
) -> None:
    def begin(run: Path) -> TinyTraining:
        folders = map(str, (run, episodes, tokenizer_path, latents.cache_folder))
        return TinyTraining(starter, run, ["tests/survival/tiny_training.py", *folders, by], tmp_path / "whole")

    assert kill_before_changes(starter, begin, tmp_path, every) > 10 // every


@pytest.mark.slow
def test_a_training_command(starter: Starter, undisturbed: Path, tokenizer_path: Path, tmp_path: Path) -> None:
    command = training(undisturbed, tokenizer_path, "data.limit=32")

    def begin(run: Path) -> Training:
        return Training(starter, run, command, tmp_path / "whole")

    # Settings, provenance and result once, best and last checkpoint in each of two epochs, and the curves.
    assert kill_before_changes(starter, begin, tmp_path) > 15


@pytest.mark.slow
def test_a_training_command_that_validates_in_the_middle_of_an_epoch(
    starter: Starter, undisturbed: Path, tmp_path: Path
) -> None:
    command = training_a_tokenizer(undisturbed, "trainer.max_steps=6", "trainer.val_check_interval=2")

    def begin(run: Path) -> Training:
        return Training(starter, run, command, tmp_path / "whole")

    assert kill_before_changes(starter, begin, tmp_path) > 20
