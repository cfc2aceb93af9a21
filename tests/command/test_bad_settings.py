"""Values that a command cannot work with: one line that names the setting, before anything is done for it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pacdream.command.rollout import rollout
from pacdream.command.schemas import BenchSettings, EvaluateSettings, TrainSettings
from pacdream.command.train import train
from pacdream.core.check_settings import check_settings
from pacdream.core.instantiate import build
from tests.conftest import compose_config
from tests.runs import hydra_run, small_overrides


def refusal(folder: Path, root: str, schema: type, *overrides: str) -> str:
    with hydra_run(root, folder, [*overrides]) as config, pytest.raises(ValueError, match=r"\w") as error:
        check_settings(config, schema)
    return str(error.value)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed=null", "seed=null is no int"),
        ("seed=-1", "seed=-1 must lie in [0, 4294967295]"),
        ("seed=abc", "seed='abc' is no int"),
        ("resume=[a]", "resume=['a'] is no str | null"),
        ("data.batch_size=null", "data.batch_size=null is no int"),
        ("data.batch_size=0", "data.batch_size=0 must be at least 1"),
        ("data.val_batch_size=0", "data.val_batch_size=0 must be at least 1"),
        ("data.val_batch_size=[1,2]", "data.val_batch_size=[1, 2] is no int"),
        ("data.val_fraction=null", "data.val_fraction=null is no float"),
        ("data.val_fraction=0", "data.val_fraction=0 must lie in (0, 1]"),
        ("data.val_fraction=1.5", "data.val_fraction=1.5 must lie in (0, 1]"),
        ("data.val_fraction=nan", "data.val_fraction=nan must lie in (0, 1]"),
        ("data.limit=0", "data.limit=0 must be at least 1"),
        ("data.limit=-3", "data.limit=-3 must be at least 1"),
        ("data.encode_batch_size.cpu=0", "data.encode_batch_size.cpu=0 must be at least 1"),
        ("data.encode_batch_size.cpu=null", "data.encode_batch_size.cpu=null is no int"),
        ("data.context_length=0", "data.context_length=0 must be at least 1"),
        ("data.split_seed=-1", "data.split_seed=-1 must lie in [0, 4294967295]"),
        ("callback.early_stopping.patience=null", "callback.early_stopping.patience=null is no int"),
        ("callback.early_stopping.patience=-1", "callback.early_stopping.patience=-1 must be at least 0"),
        ("scheduler.step_size=0", "scheduler.step_size=0 must be at least 1"),
        ("scheduler.step_size=null", "scheduler.step_size=null is no int"),
        ("optimizer.lr=null", "optimizer.lr=null is no float"),
        ("report.fps=null", "report.fps=null is no int"),
        ("recording.episodes=null", "recording.episodes=null is no int"),
    ],
)
def test_training(tmp_path: Path, override: str, line: str) -> None:
    found = refusal(tmp_path, "train", TrainSettings, "experiment=gru_baseline", override)
    assert line in found.replace("module.", "")


def test_minutes_between_saves_that_are_null(tmp_path: Path) -> None:
    override = next(
        f"callback.{name}.{key}=null"
        for name, settings in compose_config("train", ["experiment=gru_baseline"]).callback.items()
        for key in settings
        if "minutes" in str(key)
    )
    assert refusal(tmp_path, "train", TrainSettings, "experiment=gru_baseline", override) == f"{override} is no float"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("run=[a,b]", "run=['a', 'b'] is no str | null"),
        ("horizon=0", "horizon=0 must be at least 1"),
        ("log=maybe", "log='maybe' is no bool"),
    ],
)
def test_evaluation(tmp_path: Path, override: str, line: str) -> None:
    assert refusal(tmp_path, "evaluate", EvaluateSettings, override) == line


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("run=[a,b]", "run=['a', 'b'] is no str | null"),
        ("dreams=abc", "dreams='abc' is no int"),
        ("dreams=0", "dreams=0 must be at least 1"),
        ("context=1.5", "context=1.5 is no int"),
        ("fps=null", "fps=null is no int"),
        ("seed=-1", r"seed=-1 must lie in [0, 4294967295]"),
        ("checkpoint=mine.ckpt", "checkpoint=mine.ckpt needs run=<folder of the run that it belongs to>"),
    ],
)
def test_rollouts(tmp_path: Path, override: str, line: str) -> None:
    given = [override] if override.startswith(("run", "checkpoint")) else ["run=here", override]
    with hydra_run("rollout", tmp_path, given) as config, pytest.raises(ValueError, match=r"\w") as error:
        rollout(config)
    assert str(error.value) == line


@pytest.mark.parametrize("override", ["rounds=0", "train_steps=0"])
def test_bench(tmp_path: Path, override: str) -> None:
    assert refusal(tmp_path, "bench", BenchSettings, override) == f"{override} must be at least 1"


@pytest.mark.parametrize(("override", "line"), [("episodes=null", "episodes=null is no int"), ("seed=null", "no int")])
def test_collection(override: str, line: str) -> None:
    config = compose_config("collect", [override])
    with pytest.raises(ValueError, match=line):
        build(OmegaConf.masked_copy(config, [str(key) for key in config if key != "paths"]))


@pytest.mark.parametrize("callback", ["checkpoint", "early_stopping"])
def test_a_monitor_that_nobody_logs_is_refused_before_the_first_step(
    episodes: Path, tokenizer_path: Path, tmp_path: Path, callback: str
) -> None:
    chosen = ["experiment=gru_baseline", "report=none"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path)
    misspelt = f"callback.{callback}.monitor=val/los"
    with (
        hydra_run("train", tmp_path / "run", [*chosen, *small, misspelt]) as config,
        pytest.raises(ValueError, match=r"monitor='val/los' of \w+ is not logged: choose one of val/loss, "),
    ):
        train(config)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_setting_that_lightning_refuses_while_it_begins_is_one_line(
    episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    chosen = ["experiment=gru_baseline", "report=none"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path)
    with (
        hydra_run("train", tmp_path / "run", [*chosen, *small, "logger.csv=null"]) as config,
        pytest.raises(ValueError, match=r"LearningRateMonitor.* no logger") as error,
    ):
        train(config)
    assert "\n" not in str(error.value)
