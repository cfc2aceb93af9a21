from pathlib import Path
from typing import Any

import pytest
import wandb
from lightning.pytorch.loggers import WandbLogger

from pacdream.runtime.logging import wandb_logger


class Login:
    """Stands in for ``wandb.login``, which may ask the network and the user."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **settings: Any) -> bool:
        self.calls.append(settings)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def mode_of(logger: WandbLogger) -> str:
    return logger._wandb_init["mode"]


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def make_logger(folder: Path) -> WandbLogger:
    return wandb_logger(project="pacdream", save_dir=str(folder / "runs"), group="gru_baseline")


@pytest.mark.parametrize("answer", [False, wandb.errors.UsageError("no key"), OSError("no network")])
def test_without_a_usable_key_the_run_is_offline(
    answer: bool | Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb, "login", Login(answer))
    assert mode_of(make_logger(tmp_path)) == "offline"


def test_with_a_key_the_run_is_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "login", Login(True))
    assert mode_of(make_logger(tmp_path)) == "online"


def test_nobody_is_ever_asked_for_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login(False)
    monkeypatch.setattr(wandb, "login", login)
    make_logger(tmp_path)
    assert [call["prompt"] for call in login.calls] == [False]


@pytest.mark.parametrize("mode", ["offline", "online", "disabled"])
def test_the_environment_decides_before_any_key(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login(True)
    monkeypatch.setattr(wandb, "login", login)
    monkeypatch.setenv("WANDB_MODE", mode)
    assert mode_of(make_logger(tmp_path)) == mode
    assert login.calls == []


def test_the_folder_of_the_runs_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert make_logger(tmp_path).save_dir == str(tmp_path / "runs")
    assert (tmp_path / "runs").is_dir()
