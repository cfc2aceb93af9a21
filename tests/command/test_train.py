import json
import os
import shutil
import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from pacdream.command.check_train import check_launch
from pacdream.command.lock import folder_lock
from pacdream.command.result import read_result
from pacdream.command.train import train
from pacdream.core.checkpoint_io import read_checkpoint
from tests.conftest import ROOT, compose_config
from tests.runs import hydra_run, small_overrides

CHOSEN = ["experiment=gru_baseline", "report=none", "callback.early_stopping=null"]


@pytest.fixture
def small(episodes: Path, tokenizer_path: Path, tmp_path: Path) -> list[str]:
    return [*CHOSEN, *small_overrides(compose_config("train", CHOSEN), episodes, tokenizer_path, tmp_path)]


def run(folder: Path, overrides: list[str]) -> float | None:
    with hydra_run("train", folder, overrides) as config:
        return train(config)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]
    return {name: value for name, value in state.items() if name.startswith("model.")}


def test_a_finished_run_says_its_score_again_without_training(small: list[str], tmp_path: Path) -> None:
    score = run(tmp_path / "run", small)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns
    assert score is not None
    assert run(tmp_path / "run", small) == score
    assert last.stat().st_mtime_ns == before


def test_a_finished_run_goes_on_if_it_is_given_more_to_do(small: list[str], tmp_path: Path) -> None:
    run(tmp_path / "run", small)
    run(tmp_path / "run", [*small, f"resume={tmp_path / 'run'}", "trainer.max_steps=4"])
    result = read_result(tmp_path / "run")
    assert result is not None
    assert result.step == 4
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["resumed"]


def test_a_checkpoint_is_gone_on_from_in_a_new_folder(small: list[str], tmp_path: Path) -> None:
    run(tmp_path / "old", small)
    before = weights(tmp_path / "old")
    last = tmp_path / "old" / "checkpoints" / "last.ckpt"
    run(tmp_path / "new", [*small, f"resume={last}", "trainer.max_steps=4"])
    result = read_result(tmp_path / "new")
    assert result is not None
    assert result.step == 4
    assert all(torch.equal(value, before[name]) for name, value in weights(tmp_path / "old").items())


def test_a_failed_start_is_noted_until_the_next(small: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no float"):
        run(tmp_path / "run", [*small, "optimizer.lr=fast"])
    assert "optimizer.lr='fast' is no float" in (tmp_path / "run" / "error.txt").read_text().splitlines()[0]
    run(tmp_path / "run", small)
    assert not (tmp_path / "run" / "error.txt").exists()


def test_a_start_that_is_locked_out_leaves_the_run_as_it_was(small: list[str], tmp_path: Path) -> None:
    run(tmp_path / "run", small)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.yaml") if path.name == "config.yaml"}
    with folder_lock(tmp_path / "run"), pytest.raises(ValueError, match="another process is training in"):
        run(tmp_path / "run", [*small, f"resume={tmp_path / 'run'}", "data.batch_size=3"])
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("refused", ["data.context_length=5000", "trainer.val_check_interval=5000"])
def test_a_start_that_is_refused_late_leaves_the_run_as_it_was(small: list[str], tmp_path: Path, refused: str) -> None:
    folder = tmp_path / "run"
    run(folder, small)
    before = {name: (folder / name).read_bytes() for name in ("result.json", "settings.yaml", ".hydra/config.yaml")}
    with pytest.raises(ValueError, match="5000"):
        run(folder, [*small, f"resume={folder}", "trainer.max_steps=4", refused])
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_search_for_the_worst_is_refused(small: list[str], tmp_path: Path) -> None:
    best = ["callback.checkpoint.monitor=val/skill", "callback.checkpoint.mode=max", "hydra.mode=MULTIRUN"]
    with pytest.raises(ValueError, match=r"would minimize val/skill, .*: choose hydra\.sweeper\.direction=maximize"):
        run(tmp_path / "run", [*small, *best, "+hydra.sweeper.direction=minimize"])


class Direction(Enum):
    """As the Optuna plugin writes it where nothing was chosen."""

    minimize = 1


@pytest.mark.parametrize("direction", [Direction.minimize, ["minimize"], "minimize", None])
def test_a_search_for_the_best_is_not(direction: object, monkeypatch: pytest.MonkeyPatch) -> None:
    hydra = SimpleNamespace(mode=RunMode.MULTIRUN, sweeper={"direction": direction})
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    check_launch(OmegaConf.create({"trainer": {"devices": 1}, "callback": {"checkpoint": {"mode": "min"}}}))


def test_nothing_to_train_on_is_refused(small: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.val_fraction=1 leaves none of data\.episodes to train on"):
        run(tmp_path / "run", [*small, "data.val_fraction=1"])


@pytest.mark.parametrize("devices", ["2", "[0,1]", "auto"])
def test_several_devices_in_a_multirun_are_refused(small: list[str], tmp_path: Path, devices: str) -> None:
    with pytest.raises(ValueError, match="in a multirun: a job trains on one device"):
        run(tmp_path / "run", [*small, f"trainer.devices={devices}", "hydra.mode=MULTIRUN"])


@pytest.mark.parametrize(
    "devices",
    [
        ["trainer=ddp", "trainer.accelerator=cpu"],
        pytest.param(["trainer=cpu", "trainer.devices=2"], marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_as_one_with_twice_the_batch(devices: list[str], small: list[str], tmp_path: Path) -> None:
    small = [*small, "optimizer=sgd", "optimizer.lr=0.5", "trainer.max_steps=2", "trainer.precision=32-true"]
    run(tmp_path / "one", [*small, "data.batch_size=8"])
    two = [*devices, "data.batch_size=4", f"hydra.run.dir={tmp_path / 'two'}"]
    subprocess.run(
        [sys.executable, ROOT / "train.py", *(override for override in small if override != "trainer=cpu"), *two],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)


def test_another_split_is_refused_when_a_run_goes_on(small: list[str], tmp_path: Path) -> None:
    run(tmp_path / "run", small)
    with pytest.raises(ValueError, match=r"has trained on, or held out, other episodes \(data\.split_seed: 0 -> 3\)"):
        run(tmp_path / "run", [*small, f"resume={tmp_path / 'run'}", "data.split_seed=3", "trainer.max_steps=4"])


@pytest.mark.parametrize("changed", ["data.split_seed=3", "data.val_fraction=0.6"])
def test_another_split_is_refused_when_a_checkpoint_is_gone_on_from(
    small: list[str], tmp_path: Path, changed: str
) -> None:
    run(tmp_path / "old", small)
    last = shutil.copy(tmp_path / "old" / "checkpoints" / "last.ckpt", tmp_path / "mine.ckpt")
    with pytest.raises(ValueError, match=r"was trained on \d of the episodes that are held out here"):
        run(tmp_path / "new", [*small, f"resume={last}", changed, "trainer.max_steps=4"])


def test_a_bare_checkpoint_in_this_folder_is_gone_on_from(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "old", small)
    monkeypatch.chdir(tmp_path / "old" / "checkpoints")
    run(tmp_path / "new", [*small, "resume=last.ckpt", "trainer.max_steps=3"])
    result = read_result(tmp_path / "new")
    assert result is not None
    assert result.step == 3


def test_a_report_that_cannot_be_is_refused_before_training(small: list[str], tmp_path: Path) -> None:
    small = [override for override in small if override != "report=none"]
    for horizon, reason in ((0, r"horizon=0 must be"), (1000, r"horizon=1000 after 3 frames needs episodes of 1004")):
        with pytest.raises(ValueError, match=reason):
            run(tmp_path / "run", [*small, "report=world_model", f"report.horizon={horizon}"])
    assert not (tmp_path / "run" / "checkpoints").exists()
