import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from pacdream.evaluation.settings import Settings
from pacdream.report.world_model import WorldModelReport
from tests import quick_hydra
from tests.conftest import ROOT, compose_config

CONF = ROOT / "conf"
NO_CHOICE = {"hydra", "experiment", "debug", "sweep"}
PACKAGE = {
    "env": "env@recording.env", "policy": "policy@recording.policy", "sampler": "sampler@report.sampler",
    "agent": "+agent", "outcome": "+outcome", "spans": "+spans", "planner": "+planner",
    "planner/settings": "+planner/settings",
}  # fmt: skip


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def options() -> list[tuple[str, str]]:
    """Every (group, option) that can be chosen."""
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


@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_begins_with_its_command(experiment: str) -> None:
    head = (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines()[:2]
    assert any(line.startswith(f"# python train.py experiment={experiment}") for line in head)


@pytest.mark.parametrize("debug", names("debug"))
def test_every_debug_option_begins_with_its_command(debug: str) -> None:
    head = (CONF / "debug" / f"{debug}.yaml").read_text().splitlines()[:2]
    assert any(line.startswith("# python train.py experiment=") and f"debug={debug}" in line for line in head)


@pytest.mark.parametrize("debug", names("debug"))
@pytest.mark.parametrize("experiment", ["attention_rollout", "outcome_dreams", "spans", "vqvae_local"])
def test_an_experiment_of_each_kind_composes_with_every_debug_option(experiment: str, debug: str) -> None:
    config = compose_config("train", [f"experiment={experiment}", f"debug={debug}"])
    check_settings(config)
    assert config.name == experiment


@pytest.mark.parametrize(("group", "option"), options())
def test_every_option_composes_and_has_settings_that_its_target_knows(group: str, option: str) -> None:
    choice = f"{PACKAGE.get(group, group)}={option}"
    experiment = "vqvae" if group == "tokenizer/quantizer" else "gru_baseline"
    check_settings(compose_config("train", [choice, f"experiment={experiment}"]))


@pytest.mark.parametrize("root", [path.stem for path in sorted(CONF.glob("*.yaml"))])
def test_every_command_has_a_configuration_that_composes(root: str) -> None:
    assert (ROOT / f"{root}.py").is_file()
    check_settings(compose_config(root, ["experiment=gru_baseline"] if root == "train" else []))


@pytest.mark.parametrize("sampler", names("sampler"))
def test_every_command_that_dreams_can_choose_the_sampler(sampler: str) -> None:
    target = OmegaConf.load(CONF / "sampler" / f"{sampler}.yaml")._target_
    measured = compose_config("evaluate", [f"sampler@report.world_model.sampler={sampler}"])
    trained = compose_config("train", ["experiment=gru_baseline", f"sampler@report.sampler={sampler}"])
    dreamt = compose_config("rollout", [f"sampler={sampler}"])
    assert measured.report.world_model.sampler._target_ == target
    assert trained.report.sampler._target_ == target
    assert dreamt.sampler._target_ == target


def test_the_scorecard_has_every_setting_that_it_needs_and_no_other() -> None:
    settings = OmegaConf.load(CONF / "report" / "world_model.yaml").keys() - {"defaults", "_target_"}
    known = {*inspect.signature(WorldModelReport).parameters, *(field.name for field in fields(Settings))}
    assert settings | {"sampler"} == known - {"settings"}


@pytest.mark.parametrize("experiment", names("experiment"))
def test_evaluation_measures_as_training_does(experiment: str) -> None:
    trained = compose_config("train", [f"experiment={experiment}"]).report
    assert not trained or trained in compose_config("evaluate", []).report.values()


def test_the_experiment_must_be_chosen() -> None:
    with pytest.raises(ConfigCompositionException, match="experiment"):
        compose_config("train", [])


@pytest.mark.parametrize("group", ["experiment", "optimizer", "scheduler"])
def test_an_unknown_choice_lists_the_known_ones(group: str) -> None:
    with pytest.raises(MissingConfigException) as error:
        compose_config("train", [*([] if group == "experiment" else ["experiment=gru_baseline"]), f"{group}=nonsense"])
    assert all(name in str(error.value) for name in ["nonsense", *names(group)])


def test_what_tests_remember_of_the_files_is_what_hydra_reads() -> None:
    chosen = [
        ("train", ["experiment=attention", "optimizer.lr=1"]),
        ("plan", ["planner=cem"]),
        ("train", ["sweep=hidden_size_x_lr"]),
    ]
    quick = [compose_config(*choice) for choice in chosen]
    with quick_hydra.forgetting():
        assert quick == [compose_config(*choice) for choice in chosen]
