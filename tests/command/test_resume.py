import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from pacdream.command.resume import expand_resume, first_checkpoint, resumed_arguments


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose name holds what Hydra reads as its own."""
    folder = tmp_path / "it's optimizer.lr=1e-3,seed=1"
    (folder / ".hydra").mkdir(parents=True)
    return folder


def overrides(run: Path, *lines: str) -> None:
    (run / ".hydra" / "overrides.yaml").write_text("".join(f"- {line}\n" for line in lines))


def expanded(run: Path, *given: str) -> list[str]:
    return resumed_arguments(["train.py", *given, f"resume={run}"])[1:]


def test_a_run_goes_on_with_its_own_overrides_in_its_own_folder(run: Path) -> None:
    overrides(run, "experiment=gru_baseline", "seed=1")
    *own, resume, folder = expanded(run)
    assert own == ["experiment=gru_baseline", "seed=1"]
    parse = OverridesParser.create().parse_override
    assert (parse(resume).value(), parse(folder).value()) == (str(run), str(run))
    assert parse(folder).key_or_group == "hydra.run.dir"
    assert expanded(Path(resume.removeprefix("resume="))) == [*own, resume, folder]  # as train.py quotes what is typed


def test_overrides_of_a_start_that_was_refused_do_not_count(run: Path) -> None:
    overrides(run, "experiment=gru_baseline", "seed=2")  # written by Hydra before the start was refused, and killed
    (run / "overrides.yaml").write_text("- experiment=gru_baseline\n- seed=1\n")
    assert expanded(run)[:2] == ["experiment=gru_baseline", "seed=1"]


def test_a_run_that_has_yet_to_begin_begins_with_the_checkpoint_it_was_given(run: Path) -> None:
    overrides(run, "experiment=gru_baseline", "resume=other/checkpoints/last.ckpt")
    assert "resume=other/checkpoints/last.ckpt" in expanded(run)
    assert not any(str(run) in argument for argument in expanded(run) if argument.startswith("resume="))
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    assert "resume=other/checkpoints/last.ckpt" not in expanded(run)


def test_what_is_given_replaces_what_the_run_had(run: Path) -> None:
    overrides(run, "experiment=gru_baseline", "+trainer.limit_train_batches=2", "seed=1")
    assert expanded(run, "+trainer.limit_train_batches=3", "seed=2")[:3] == [
        "experiment=gru_baseline", "+trainer.limit_train_batches=3", "seed=2",
    ]  # fmt: skip


def test_a_job_of_a_sweep_goes_on_alone(run: Path) -> None:
    overrides(run, "sweep=hidden_size_x_lr", "launcher=joblib", "sweep.resume=outputs/sweep/x", "optimizer.lr=1e-3")
    assert expanded(run)[:3] == ["sweep=hidden_size_x_lr", "optimizer.lr=1e-3", "hydra.mode=RUN"]


def test_going_on_twice_is_going_on_once(run: Path) -> None:
    overrides(run, "experiment=gru_baseline")
    once = ["train.py", *expanded(run)]
    assert resumed_arguments(once) == once


@pytest.mark.parametrize("argument", ["resume=null", "resume=some/last.ckpt", "seed=3"])
def test_other_command_lines_stay_as_they_are(argument: str) -> None:
    assert resumed_arguments(["train.py", argument]) == ["train.py", argument]


@pytest.mark.parametrize(
    "arguments",
    [
        ["resume=nowhere/at/all"],
        ["-m", "resume=."],
        ["-m", "hydra.mode=RUN", "resume=."],
        ["sweep=hidden_size_x_lr", "resume=."],
        ["resume=."],
        ["resume="],
        ["resume=''"],
    ],
)
def test_what_is_no_run_ends_in_one_line(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    with pytest.raises(SystemExit) as exit_:
        expand_resume()
    assert str(exit_.value).startswith("train.py: resume=")
    assert "\n" not in str(exit_.value)


def test_a_sweep_is_told_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "multirun.yaml").touch()
    with pytest.raises(ValueError, match=r"is a sweep: .* that began it and sweep\.resume="):
        resumed_arguments(["train.py", f"resume={tmp_path}"])


def test_the_own_last_checkpoint_comes_first(tmp_path: Path) -> None:
    assert first_checkpoint(tmp_path, None) is None
    assert first_checkpoint(tmp_path, "other/best.ckpt") == Path("other/best.ckpt")
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    assert first_checkpoint(tmp_path, "other/best.ckpt") == last


def test_a_run_interrupted_before_its_first_checkpoint_begins_again(tmp_path: Path) -> None:
    assert first_checkpoint(tmp_path, str(tmp_path)) is None
