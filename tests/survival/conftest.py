from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.survival.commands import Starter
from tests.survival.work import sweep, training


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Starts commands."""
    starter = Starter(tmp_path_factory.mktemp("logs"))
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def undisturbed(starter: Starter, tokenizer_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a sweep that has recorded, encoded and trained all its jobs. Do not change them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    starter.finish(*sweep(training(folder, tokenizer_path)), f"hydra.sweep.dir={folder / 'sweep'}")
    return folder
