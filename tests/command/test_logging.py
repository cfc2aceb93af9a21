import json
from pathlib import Path
from typing import Any

import pytest
import wandb
from lightning.pytorch.loggers import WandbLogger

from pacdream.command.logging import address_of, check_account, wandb_logger
from pacdream.core.instantiate import build
from tests.conftest import compose_config


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


def make_logger(folder: Path, **settings: Any) -> WandbLogger:
    return wandb_logger(project="pacdream", save_dir=str(folder / "runs"), group="gru_baseline", **settings)


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


@pytest.mark.parametrize(
    ("experiment", "network"),
    [
        ("gru_baseline", "pacdream.world_model.gru.GRUWorldModel"),
        ("vqvae", "pacdream.tokenizer.vqvae.VQVAE"),
    ],
)
def test_a_run_carries_what_it_trains(
    experiment: str, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = compose_config("train", [f"experiment={experiment}", "logger=wandb", f"paths.outputs={tmp_path}"])
    config.logger.wandb.address = None  # that of the run's folder, which only a command has
    run = build(config.logger.wandb).experiment
    wandb.finish()
    assert (run.job_type, run.group, set(run.tags)) == ("train", experiment, {experiment, network})


def test_a_tag_that_is_too_long_keeps_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    (tag,) = make_logger(tmp_path, tags=["package." * 9 + "Model"])._wandb_init["tags"]
    assert len(tag) == 64
    assert tag.endswith("package.Model")


def test_an_address_leads_back_to_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = (logger := make_logger(tmp_path, job_type="train", tags=["a tag"])).experiment
    address = json.loads(json.dumps(address_of(logger)))
    wandb.finish()
    again = (logger := wandb_logger(**address, save_dir=str(tmp_path / "runs"))).experiment
    wandb.finish()
    assert (again.id, again.project, again.group, again.job_type) == (run.id, "pacdream", "gru_baseline", "train")
    assert address_of(logger) == address


def test_tags_are_not_sent_again_so_that_those_added_since_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    address = address_of(make_logger(tmp_path, tags=["a tag"]))
    wandb.finish()
    assert "tags" not in wandb_logger(**address, save_dir=str(tmp_path))._wandb_init  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [False, wandb.errors.UsageError("no\nkey"), OSError("no network")])
def test_without_an_account_nothing_can_be_sent(answer: bool | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "login", login := Login(answer))
    with pytest.raises(ValueError, match=r"^this needs a W&B account \(.*\): log in once with `wandb login`$"):
        check_account()
    assert [call["prompt"] for call in login.calls] == [False]
