import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pacdream.sweep.command import best_command, identity, planned, resume_command, settings_of

OVERRIDES = ["experiment=gru_baseline", "optimizer.lr=1e-3", "world_model.hidden_size=256", "seed=1"]
ODD = [
    "tokenizer.widths=[8,8]", "name='a b'", "+note=\"it's $HOME; `rm`\"", "++x={a:1,b:[c]}", "~callback.progress",
    "data.episodes=a\\,b", "tokenizer/quantizer=ema", "path=\\$x",
]  # fmt: skip
LAUNCH = ["hydra.mode=MULTIRUN", "hydra/launcher=joblib", "hydra.sweep.dir=elsewhere", "hydra.launcher.n_jobs=2"]
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def parsed(overrides: list[str]) -> list[tuple[str, object]]:
    return [(each.get_key_element(), each.value()) for each in OverridesParser.create().parse_overrides(overrides)]


def hydra(task: list[str], target: str = BASIC, **params: str) -> OmegaConf:
    return OmegaConf.create(
        {"sweeper": {"_target_": target, "params": params}, "overrides": {"task": task, "hydra": LAUNCH}}
    )


def test_the_best_command_means_the_same_to_shell_and_hydra() -> None:
    python, script, *arguments = shlex.split(best_command([*OVERRIDES, *ODD]))
    assert (python, script) == ("python", "train.py")
    assert arguments == [*OVERRIDES, *ODD]
    assert parsed(arguments) == parsed([*OVERRIDES, *ODD])


def test_the_best_command_is_no_sweep_and_starts_here() -> None:
    sweep = ["sweep=grid", "sweep.resume=outputs/x", "launcher=joblib", "+launcher=slurm"]
    arguments = shlex.split(best_command([*OVERRIDES, *sweep]))[2:]
    assert arguments == [*OVERRIDES, "sweep=grid", "hydra.mode=RUN"]


def test_without_a_recipe_the_mode_is_left_alone() -> None:
    assert "hydra.mode" not in best_command(OVERRIDES)


@pytest.mark.parametrize("folder", ["outputs/sweep/gru/2026-11-22_20-00-00-123456", "/a b/c", "/a,b=c", "/it's"])
def test_a_sweep_is_resumed_by_its_own_command(folder: str) -> None:
    task = ["experiment=gru_baseline", "optimizer.lr=1e-3,1e-4", "launcher=joblib", "sweep.resume=elsewhere"]
    arguments = shlex.split(resume_command(hydra(task), Path(folder)))
    assert arguments[:-1] == ["python", "train.py", "-m", *task[:-1], LAUNCH[1], LAUNCH[3]]
    assert parsed(arguments[3:])[-1] == ("sweep.resume", folder)


def test_a_sweep_is_planned_as_hydra_plans_it() -> None:
    found = planned(hydra(["experiment=x", "optimizer.lr=1e-3,1e-4", "seed=range(0,2)", "sweep=r"], **{"a.b": "u,v"}))
    assert len(found) == len({*found}) == 8
    job = ["seed=1", "a.b=v", "optimizer.lr=0.0001", "sweep=r", "experiment=x"]
    assert identity([*job, "sweep.resume=outputs/x"]) in found
    assert identity([*job[1:], "seed=2"]) not in found


def test_where_everything_lies_makes_no_other_job() -> None:
    moved = [*OVERRIDES, "paths.outputs=/big"]
    assert identity(moved) == identity(OVERRIDES)
    assert settings_of(moved, Path("here")) == settings_of(OVERRIDES, Path("here"))
    assert "paths.outputs=/big" in best_command(moved)  # there are its data


def test_the_command_line_replaces_what_the_recipe_sweeps() -> None:
    assert planned(hydra(["seed=7"], seed="0,1,2")) == [identity(["seed=7"])]


@pytest.mark.parametrize("settings", [hydra(["seed=0,1"], "optuna.Sweeper"), hydra(["experiment=glob(*)"])])
def test_what_only_the_sweeper_knows_is_not_planned(settings: OmegaConf) -> None:
    assert planned(settings) == []


def test_settings_are_known_by_their_keys() -> None:
    overrides = [
        "optimizer.lr=1e-3",
        "++a.b=[1,2]",
        "~callback.progress",
        "optimizer@other=sgd",
        "sweep=r",
        "launcher=x",
        "resume='outputs/sweep/x/optimizer.lr=0.01'",
    ]
    expected = {"optimizer.lr": "1e-3", "a.b": "[1,2]", "callback.progress": "", "optimizer@other": "sgd"}
    assert settings_of(overrides, Path("overrides.yaml")) == expected
