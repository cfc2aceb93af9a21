import inspect
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from pacdream.runtime.train import train
from tests.conftest import EPISODES, ROOT, compose_config

CONF = ROOT / "conf"
NO_CHOICE = {"hydra", "experiment", "debug", "sweep"}
PACKAGE = {"env": "env@recording.env", "policy": "policy@recording.policy"}
SMALL = {
    "data.batch_size": 2, "data.val_batch_size": 8, "data.max_val_frames": 4, "report.num_windows": 4,
    "world_model.hidden_size": 16, "tokenizer.widths": [8, 8, 8, 16],
}  # fmt: skip


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def options() -> list[tuple[str, str]]:
    """Every (group, option) that can be chosen for a training run."""
    files = [path.relative_to(CONF).with_suffix("") for path in sorted(CONF.rglob("*.yaml"))]
    return [(str(file.parent), file.name) for file in files if len(file.parts) > 1 and file.parts[0] not in NO_CHOICE]


def targets(config: Any) -> Iterator[dict[str, Any]]:
    """All parts of a configuration that build something."""
    if isinstance(config, dict):
        if "_target_" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from targets(part)


def check_settings(config: DictConfig) -> None:
    """Every target exists and knows each of its settings."""
    for part in targets(list(OmegaConf.to_container(config).values())):
        known = inspect.signature(get_object(part["_target_"])).parameters
        unknown = {key for key in part if not key.startswith("_")} - set(known)
        open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values())
        assert open_ended or not unknown, f"{part['_target_']} has no {unknown}"


def small_overrides(config: DictConfig, episodes: Path, tokenizer: Path, outputs: Path) -> list[str]:
    """What makes a run of ``config`` tiny: two steps, the test's episodes and tokenizer, nothing sent anywhere."""
    overrides = [
        "trainer=cpu", "trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.check_val_every_n_epoch=1",
        "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1", "logger=csv", "callback.progress=null",
        f"recording.output={episodes}", f"recording.episodes={EPISODES}", f"paths.outputs={outputs}",
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
    with initialize_config_dir(str(CONF), version_base="1.3"):
        folder = [f"hydra.runtime.output_dir={tmp_path / 'run'}", "name=test"]
        HydraConfig.instance().set_config(compose("train", folder, return_hydra_config=True))
    yield
    HydraConfig.instance().cfg = None


@pytest.mark.usefixtures("_hydra_run")
@pytest.mark.parametrize("experiment", names("experiment"))
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
@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_runs_in_fast_debug_mode(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    choice = [f"experiment={experiment}", "debug=fast"]
    overrides = small_overrides(compose_config("train", choice), episodes, tokenizer_path, tmp_path)
    train(compose_config("train", choice + overrides))
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", names("experiment"))
def test_the_command_of_every_experiment_runs(
    experiment: str, episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    choice = [f"experiment={experiment}"]
    overrides = small_overrides(compose_config("train", choice), episodes, tokenizer_path, tmp_path)
    command = [sys.executable, "train.py", *choice, *overrides]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "WANDB_MODE": "disabled"}, check=True)


@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_begins_with_its_command(experiment: str) -> None:
    head = (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines()[:2]
    assert any(line.startswith(f"# python train.py experiment={experiment}") for line in head)


@pytest.mark.parametrize("debug", names("debug"))
def test_every_debug_option_begins_with_its_command(debug: str) -> None:
    head = (CONF / "debug" / f"{debug}.yaml").read_text().splitlines()[:2]
    assert any(line.startswith("# python train.py experiment=") and f"debug={debug}" in line for line in head)


@pytest.mark.parametrize("debug", names("debug"))
@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_composes_with_every_debug_option(experiment: str, debug: str) -> None:
    config = compose_config("train", [f"experiment={experiment}", f"debug={debug}"])
    check_settings(config)
    assert config.name == experiment


@pytest.mark.parametrize(("group", "option"), options())
def test_every_option_composes_and_has_settings_that_its_target_knows(group: str, option: str) -> None:
    experiment = "vqvae" if group == "tokenizer/quantizer" else "gru_baseline"
    choice = f"{PACKAGE.get(group, group)}={option}"
    check_settings(compose_config("train", [f"experiment={experiment}", choice]))


@pytest.mark.parametrize("root", [path.stem for path in sorted(CONF.glob("*.yaml"))])
def test_every_command_has_a_configuration_that_composes(root: str) -> None:
    assert (ROOT / f"{root}.py").is_file()
    check_settings(compose_config(root, []))


@pytest.mark.parametrize("group", ["experiment", "optimizer", "scheduler"])
def test_an_unknown_choice_lists_the_known_ones(group: str) -> None:
    with pytest.raises(MissingConfigException) as error:
        compose_config("train", [f"{group}=nonsense"])
    assert all(name in str(error.value) for name in ["nonsense", *names(group)])
