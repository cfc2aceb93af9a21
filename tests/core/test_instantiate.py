from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from pacdream.core.instantiate import build, current_targets
from pacdream.core.settings import read_settings
from tests.conftest import TINY_GRU, compose_config

FACTS = {"grid_shape": [7, 5], "codebook_size": 16, "num_actions": 9}


class Box:
    """Keeps what it gets."""

    def __init__(self, size: int, rate: float = 0.5, name: str | None = None, content: Any = None) -> None:
        if size < 0:
            raise ValueError(f"size={size} is negative")
        self.size, self.rate, self.name, self.content = size, rate, name, content


def box(**settings: Any) -> DictConfig:
    """The configuration of a box at the key ``box``, as if a root configuration held it."""
    return OmegaConf.create({"box": {"_target_": f"{__name__}.Box", **settings}}).box


def test_settings_and_keywords_reach_the_object() -> None:
    built = build(box(size=3), name="chest")
    assert (built.size, built.name) == (3, "chest")


def test_a_partial_target_becomes_a_factory() -> None:
    assert build(box(_partial_=True, rate=1.0))(size=4).size == 4


def test_containers_arrive_plain() -> None:
    content = build(box(size=1, content={"numbers": [1, 2], "deep": {"names": ["a"]}})).content
    assert type(content) is dict
    assert type(content["numbers"]) is list
    assert type(content["deep"]["names"]) is list


@pytest.mark.parametrize(
    ("setting", "value"), [("size", "three"), ("size", 1.5), ("size", True), ("rate", "fast"), ("name", 7)]
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"box\.{setting}={value!r} is no "):
        build(box(**{"size": 1, setting: value}))


@pytest.mark.parametrize(("setting", "value"), [("rate", 2), ("name", None), ("name", "x"), ("content", "anything")])
def test_a_value_that_fits_is_accepted(setting: str, value: object) -> None:
    assert getattr(build(box(**{"size": 1, setting: value})), setting) == value


def test_a_problem_deep_inside_is_found() -> None:
    with pytest.raises(ValueError, match=r"box\.content\.content\.size='three' is no int"):
        build(box(size=1, content=dict(box(size=2, content=dict(box(size="three"))))))


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"box: .*unexpected keyword argument 'colour'"):
        build(box(size=1, colour="red"))


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"box: .*missing 1 required positional argument: 'size'"):
        build(box())


def test_a_value_that_the_constructor_refuses_keeps_its_reason() -> None:
    with pytest.raises(ValueError, match="box: size=-1 is negative"):
        build(box(size=-1))


@pytest.mark.parametrize("target", ["no_such_package.Thing", "pacdream.world_model.gru.NoSuchModel"])
def test_a_target_that_does_not_exist_is_named(target: str) -> None:
    with pytest.raises(ValueError, match=target.rpartition(".")[2]):
        build(OmegaConf.create({"box": {"_target_": target}}).box)


def test_a_learning_rate_that_is_no_number_is_refused() -> None:
    config = compose_config("train", ["experiment=gru_baseline", "optimizer.lr=abc"])
    with pytest.raises(ValueError, match=r"optimizer\.lr='abc' is no "):
        build(config.module, model=None)


def test_an_unknown_setting_of_the_world_model_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_sise"):
        build(OmegaConf.create({"world_model": {**TINY_GRU, "hidden_sise": 4}}).world_model, **FACTS)


def test_a_world_model_size_that_is_a_word_is_refused() -> None:
    config = compose_config("train", ["experiment=gru_baseline", "world_model.hidden_size=large"])
    with pytest.raises(ValueError, match=r"world_model\.hidden_size='large' is no int"):
        build(config.world_model, **FACTS)


MOVED = {
    "pacdream.env.atari.make_env": "pacdream.game.atari.make_env",
    "pacdream.evaluation.report.WorldModelReport": "pacdream.report.world_model.WorldModelReport",
    "pacdream.evaluation.tokenizer_report.TokenizerReport": "pacdream.report.tokenizer.TokenizerReport",
    "pacdream.runtime.checkpoint_io.SealedCheckpointIO": "pacdream.core.checkpoint_io.AtomicCheckpointIO",
    "pacdream.runtime.logging.CSVLogger": "pacdream.core.csv_logger.CSVLogger",
    "pacdream.runtime.logging.wandb_logger": "pacdream.command.logging.wandb_logger",
}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_targets_of_old_settings_are_found_where_they_are_now(old: str, new: str) -> None:
    stored = {"deep": [{"_target_": old, "size": 1}], "note": old}
    assert current_targets(stored) == {"deep": [{"_target_": new, "size": 1}], "note": old}
    assert get_object(new)


def test_settings_that_an_old_run_keeps_are_read_with_present_names(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("env:\n  _target_: pacdream.env.atari.make_env\n  id: ${x}\n")
    config = read_settings(tmp_path / "config.yaml", "restore it")
    assert OmegaConf.to_container(config) == {"env": {"_target_": "pacdream.game.atari.make_env", "id": "${x}"}}
