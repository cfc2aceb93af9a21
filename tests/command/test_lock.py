import os
from pathlib import Path

import pytest
from filelock import FileLock

from pacdream.command.lock import folder_lock


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(ValueError, match=f"another process is training in {tmp_path}"):
        folder_lock(tmp_path).__enter__()


def test_the_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path):
        raise ZeroDivisionError
    with folder_lock(tmp_path):
        pass


def test_further_processes_of_one_training_share_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with FileLock(tmp_path / ".lock"), folder_lock(tmp_path):
        assert os.environ["LOCAL_RANK"] == "1"
