import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pacdream.command.train import train
from tests.conftest import ROOT, compose_config
from tests.runs import hydra_run, quick_cost, small_overrides

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
MEASURED = {"gru_baseline": {"metrics.json", "report.html", "bootstrap.safetensors"}, "vqvae": {"tokenizer.json"}}


def small_run(choice: list[str], episodes: Path, tokenizer: Path, outputs: Path) -> list[str]:
    return choice + small_overrides(compose_config("train", choice), episodes, tokenizer, outputs)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_trains_and_reports(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    overrides = small_run([f"experiment={experiment}"], episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", overrides) as config, quick_cost():
        loss = train(config)
    assert loss is not None
    assert math.isfinite(loss)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    report = {path.name for path in (tmp_path / "run").glob("report/*")}
    assert report >= MEASURED.get(experiment, set())
    assert bool(report) == bool(config.report)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs_in_fast_debug_mode(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    overrides = small_run([f"experiment={experiment}", "debug=fast"], episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", overrides) as config:
        assert train(config) is None
    assert not (tmp_path / "run" / "report").exists()


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_command_of_every_experiment_runs(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    overrides = small_run([f"experiment={experiment}"], episodes, tokenizer_path, tmp_path)
    command = [sys.executable, "train.py", *overrides]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "WANDB_MODE": "disabled"}, check=True)
