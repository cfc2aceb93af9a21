import csv
import logging
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf

from pacdream.command.train import train
from pacdream.tokenizer.module import TokenizerModule
from pacdream.world_model.module import WorldModelModule
from tests.conftest import ROOT, compose_config
from tests.runs import blank_plots, hydra_run, quick_cost, small_overrides

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
WORLD_MODEL = {"metrics.json", "report.html", "bootstrap.safetensors"}
INTERFACE_ONLY = {"attention_7x5", "attention_rollout"}
"""Measured like ``attention``: a report knows nothing else of a network."""
MEASURED = {
    name: {"vqvae": {"tokenizer.json"}, "outcome": {"metrics.json"}, "spans": set()}.get(
        name.partition("_")[0], WORLD_MODEL
    )
    for name in EXPERIMENTS
}
DEBUGGED = ["gru_baseline", "vqvae"]  # one of each kind: debug options do not depend on the network


def small_run(choice: list[str], episodes: Path, tokenizer: Path, outputs: Path) -> list[str]:
    return choice + small_overrides(compose_config("train", choice), episodes, tokenizer, outputs)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_trains_and_reports(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    chosen = [f"experiment={experiment}", *(["report=none"] if experiment in INTERFACE_ONLY else [])]
    overrides = small_run(chosen, episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", overrides) as config, quick_cost(), blank_plots():
        loss = train(config)
    assert loss is not None
    assert math.isfinite(loss)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    report = {path.name for path in (tmp_path / "run").glob("report/*")}
    assert report >= (MEASURED[experiment] if config.report else set())
    assert bool(report) == bool(config.report)


Debugged = Callable[..., float | None]


@pytest.fixture
def debugged(episodes: Path, tokenizer_path: Path, tmp_path: Path) -> Debugged:
    """Runs a debug option tiny, but as it is: nothing that it sets itself is changed."""

    def run(experiment: str, debug: str, *changes: str) -> float | None:
        chosen = small_run([f"experiment={experiment}", f"debug={debug}"], episodes, tokenizer_path, tmp_path)
        own = OmegaConf.load(ROOT / "conf" / "debug" / f"{debug}.yaml")
        kept = [item for item in chosen if OmegaConf.select(own, item.partition("=")[0].lstrip("+")) is None]
        with hydra_run("train", tmp_path / "run", [*kept, *changes]) as config, quick_cost(), blank_plots():
            return train(config)

    return run


def logged(folder: Path, name: str) -> list[float]:
    with (folder / "csv" / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


@pytest.mark.parametrize("experiment", DEBUGGED)
def test_fast_debugging_leaves_no_report(experiment: str, debugged: Debugged, tmp_path: Path) -> None:
    assert debugged(experiment, "fast") is None
    assert not (tmp_path / "run" / "report").exists()


@pytest.mark.parametrize("experiment", DEBUGGED)
def test_limited_debugging_runs_the_whole_chain(experiment: str, debugged: Debugged, tmp_path: Path) -> None:
    loss = debugged(experiment, "limit", "trainer.limit_train_batches=2")
    assert loss is not None
    assert MEASURED[experiment] <= {path.name for path in (tmp_path / "run" / "report").iterdir()}


@pytest.mark.parametrize("experiment", DEBUGGED)
def test_profiling_says_where_the_time_goes(
    experiment: str, debugged: Debugged, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)  # as in a command
    with caplog.at_level("INFO"):
        debugged(experiment, "profile", "trainer.max_steps=3")
    assert "optimizer_step" in caplog.text


@pytest.mark.parametrize(("experiment", "name"), [("gru_baseline", "train/loss_step"), ("vqvae", "train/loss")])
def test_overfitting_learns_one_batch_by_heart(experiment: str, name: str, debugged: Debugged, tmp_path: Path) -> None:
    changes = ["trainer.max_steps=30", "+trainer.enable_model_summary=false", "trainer.log_every_n_steps=1"]
    changes += ["optimizer.lr=0.01"]
    debugged(experiment, "overfit", *changes)
    losses = logged(tmp_path / "run", name)
    assert len(losses) == 30
    assert min(losses[-5:]) < 0.5 * losses[0]


@pytest.mark.parametrize("experiment", DEBUGGED)
def test_everything_that_can_be_monitored_is_logged(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitors = {"gru_baseline": WorldModelModule.monitors, "vqvae": TokenizerModule.monitors}[experiment]
    noted = Mock()
    monkeypatch.setattr(ModelCheckpoint, "on_train_end", noted)
    overrides = small_run([f"experiment={experiment}", "report=none"], episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", overrides) as config:
        train(config)
    assert {*monitors} <= {*noted.call_args.args[0].callback_metrics}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", DEBUGGED)
def test_the_command_of_every_experiment_runs(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    overrides = small_run([f"experiment={experiment}"], episodes, tokenizer_path, tmp_path)
    command = [sys.executable, "train.py", *overrides]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "WANDB_MODE": "disabled"}, check=True)
