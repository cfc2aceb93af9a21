import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pacdream.runtime.train import train
from tests.conftest import EPISODES, ROOT, STEPS, compose_config

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
SMALL = {
    "data.batch_size": 2, "data.val_batch_size": 8, "data.max_val_frames": 4, "report.num_windows": 4,
    "world_model.hidden_size": 16, "tokenizer.widths": [8, 8, 8, 16],
}  # fmt: skip


def small_overrides(config: DictConfig, episodes: Path, tokenizer: Path, outputs: Path) -> list[str]:
    """What makes a run of ``config`` tiny: two steps, the test's episodes and tokenizer, nothing sent anywhere."""
    overrides = [
        "trainer=cpu", "trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.check_val_every_n_epoch=1",
        "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1", "logger=csv", "callback.progress=null",
        f"recording.output={episodes}", f"recording.episodes={EPISODES}", f"recording.max_steps={STEPS}",
        "policy@recording.policy=held_random", f"paths.outputs={outputs}",
    ]  # fmt: skip
    changes = {**SMALL, "tokenizer.checkpoint": tokenizer}
    return overrides + [f"{key}={value}" for key, value in changes.items() if has(config, key)]


def has(config: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    return name in (config.get(parent) or {})


@pytest.fixture
def _hydra_run(tmp_path: Path) -> Iterator[None]:
    """What ``@hydra.main`` sets up around a run."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        folder = [f"hydra.runtime.output_dir={tmp_path / 'run'}", "experiment=gru_baseline"]
        HydraConfig.instance().set_config(compose("train", folder, return_hydra_config=True))
    yield
    HydraConfig.instance().cfg = None


@pytest.mark.usefixtures("_hydra_run")
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_trains_and_reports(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    choice = [f"experiment={experiment}"]
    overrides = small_overrides(compose_config("train", choice), episodes, tokenizer_path, tmp_path)
    config = compose_config("train", choice + overrides)
    loss = train(config)
    assert loss is not None
    assert math.isfinite(loss)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    assert not config.report or list((tmp_path / "run" / "report").iterdir())


@pytest.mark.usefixtures("_hydra_run")
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs_in_fast_debug_mode(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    choice = [f"experiment={experiment}", "debug=fast"]
    overrides = small_overrides(compose_config("train", choice), episodes, tokenizer_path, tmp_path)
    assert train(compose_config("train", choice + overrides)) is None
    assert not (tmp_path / "run" / "report").exists()


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_command_of_every_experiment_runs(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    choice = [f"experiment={experiment}"]
    overrides = small_overrides(compose_config("train", choice), episodes, tokenizer_path, tmp_path)
    command = [sys.executable, "train.py", *choice, *overrides]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "WANDB_MODE": "disabled"}, check=True)
