import logging

import pytest
from omegaconf import DictConfig, OmegaConf

from pacdream.runtime.entry_point import entry_point

CONFIG = OmegaConf.create({})


def raising(error: BaseException) -> DictConfig:
    @entry_point
    def main(config: DictConfig) -> float | None:
        raise error

    return main


@pytest.fixture(autouse=True)
def _short_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def test_the_value_comes_back() -> None:
    assert entry_point(lambda config: config.value)(OmegaConf.create({"value": 0.25})) == 0.25


def test_a_users_error_is_one_line_and_exit_code_one(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_:
        raising(ValueError("data.batch_size=0 must be at least 1"))(CONFIG)
    assert exit_.value.code == 1
    assert [record.getMessage() for record in caplog.records] == ["data.batch_size=0 must be at least 1"]
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].exc_info is None


def test_an_error_with_percent_signs_is_shown_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit):
        raising(ValueError("100 % of %s"))(CONFIG)
    assert caplog.messages == ["100 % of %s"]


def test_the_whole_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="why"):
        raising(ValueError("why"))(CONFIG)


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
