import pytest
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf

from pacdream.command.entry_point import entry_point

CONFIG = OmegaConf.create({})


def raising(error: BaseException) -> DictConfig:
    @entry_point
    def main(config: DictConfig) -> float | None:
        raise error

    return main


def test_the_value_comes_back() -> None:
    assert entry_point(lambda config: config.value)(OmegaConf.create({"value": 0.25})) == 0.25


@pytest.mark.parametrize("error", [ValueError("data.batch_size=0 must be 100 % at least 1"), OSError("disk full")])
def test_a_users_error_becomes_one_that_hydra_prints_in_one_line(error: Exception) -> None:
    with pytest.raises(CompactHydraException, match=str(error)) as raised:
        raising(error)(CONFIG)
    assert raised.value.__cause__ is error
    assert "\n" not in str(raised.value)


def test_ctrl_c_is_one_line_and_exit_code_130(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_:
        raising(KeyboardInterrupt())(CONFIG)
    assert exit_.value.code == 130
    assert len(caplog.messages) == 1
    assert "interrupted" in caplog.messages[0]


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())(CONFIG)


def test_the_wrapped_function_keeps_its_name() -> None:
    assert raising(ValueError()).__name__ == "main"


def test_the_number_of_processors_can_be_configured() -> None:
    assert OmegaConf.create({"workers": "${cpu_count:}"}).workers >= 1
