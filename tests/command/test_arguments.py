import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from pacdream.command.arguments import null_group, prepare_arguments, quote_paths
from tests.conftest import ROOT


def value_of(argument: str) -> object:
    return OverridesParser.create().parse_override(argument).value()


@pytest.mark.parametrize(
    "path", ["outputs/a b", "sweep/0_lr=1e-3,h=5", "it's", "i'm", "back\\slash", "a,b", "${x}", "123", "jürgen", "a;b"]
)
def test_paths_are_taken_as_they_are_typed(path: str) -> None:
    _, argument, other = quote_paths(["evaluate.py", f"run={path}", "horizon=3"], "run")
    assert value_of(argument) == path
    assert other == "horizon=3"


@pytest.mark.parametrize("argument", ["run=null", "run=", "run='a'", 'run="a,b"', "other=a,b", "-m"])
def test_what_is_no_plain_path_stays_as_it_is(argument: str) -> None:
    assert quote_paths(["evaluate.py", argument], "run") == ["evaluate.py", argument]


@pytest.mark.parametrize(
    ("typed", "paths"),
    [
        ("[a,b]", ["a", "b"]),
        ("[sweep/0_lr=1e-3, sweep/1_lr=3e-4]", ["sweep/0_lr=1e-3", "sweep/1_lr=3e-4"]),
        ("['a=1,b=2','c']", ["a=1,b=2", "c"]),
        ('["a=1,b=2","a=1,b=3"]', ["a=1,b=2", "a=1,b=3"]),
    ],
)
def test_a_list_of_paths_may_hold_the_folders_of_a_sweep(typed: str, paths: list[str]) -> None:
    assert value_of(quote_paths(["evaluate.py", f"compare={typed}"], "compare")[1]) == paths


def test_several_paths_of_a_multirun_are_one_for_each_job(tmp_path: Path) -> None:
    one = tmp_path / "lr=1,h=2"
    one.touch()
    typed = ["train.py", "-m", "weights=a,b", f"weights={one}"]
    assert quote_paths(typed, "weights")[2:] == ["weights=a,b", f"weights='{one}'"]
    assert quote_paths(["train.py", "sweep=mine", "weights=a,b"], "weights")[2] == "weights=a,b"


@pytest.mark.parametrize("value", ["outputs/train/gru/now", "../x.ckpt", "[]", "[${x},b]", "choice(a,b)"])
def test_what_needs_no_quotes_has_none(value: str) -> None:
    """Folders of a sweep's jobs are named by what is typed."""
    assert quote_paths(["train.py", f"weights={value}"], "weights")[1] == f"weights={value}"


@pytest.mark.parametrize("argument", ["logger=null", "debug=null", "policy@recording.policy=null"])
def test_a_group_that_is_chosen_to_be_nothing_is_one_line(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py"), argument])
    with pytest.raises(SystemExit, match=rf"^train\.py: {argument} chooses nothing: .* one of \w+, \w+"):
        prepare_arguments()


def test_a_network_that_shares_its_name_with_a_group_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(ROOT / "play.py"), "outcome=null"])
    prepare_arguments("run", "outcome")
    assert sys.argv[1:] == ["outcome=null"]


def test_a_sweep_over_experiments_needs_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = [str(ROOT / "train.py"), "-m", "experiment=gru_baseline,gru_14x10"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit, match=r"^train\.py: experiment=gru_baseline,gru_14x10 sweeps .* with name=<name>"):
        prepare_arguments()
    monkeypatch.setattr(sys, "argv", [*argv, "name=both"])
    prepare_arguments()


@pytest.mark.parametrize(
    "argument", ["resume=null", "hydra/sweeper=null", "callback.early_stopping=null", "logger=csv", "-m"]
)
def test_settings_may_be_null(argument: str) -> None:
    assert null_group([str(ROOT / "train.py"), argument]) is None
