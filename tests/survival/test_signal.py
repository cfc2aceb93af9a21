"""A command that is told to stop says how to go on, and what goes on ends with what an undisturbed one ends with."""

import json
import shlex
import signal
from pathlib import Path

import pytest

from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.data.episode_store import read_manifest
from tests.survival.commands import Command, Starter
from tests.survival.work import EPISODES, assert_same_run, jobs, sweep, training

STOPS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


def steps_logged(run: Path) -> int:
    path = run / "csv" / "metrics.csv"
    return len(path.read_text().splitlines()) - 2 if path.exists() else 0


def stop(command: Command, number: signal.Signals) -> None:
    """Send a signal, SIGINT to all of its processes as a terminal does."""
    processes = command.processes()
    command.send(number, to_all=number == signal.SIGINT)
    command.wait()
    command.assert_gone(processes)


def advised(command: Command) -> list[str]:
    """The command that its last line advises."""
    line = command.output.splitlines()[-1]
    assert "stopped by a signal at step" in line
    python, *argv = shlex.split(line.split("`")[1])
    assert python == "python"
    return argv


def assert_said_in_one_line(command: Command, text: str) -> None:
    assert command.output.count(text) == 1
    assert "Traceback" not in command.output
    assert "Error" not in command.output


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_training_stops_with_a_checkpoint_and_goes_on_as_advised(
    number: signal.Signals, code: int, starter: Starter, undisturbed: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    run = tmp_path / "a run"
    command = starter.now(*training(undisturbed, tokenizer_path), f"hydra.run.dir='{run}'")
    assert command.until(lambda: steps_logged(run) > 2)
    stop(command, number)
    assert command.code == code
    assert_said_in_one_line(command, "stopped by a signal")
    saved = read_checkpoint(run / "checkpoints" / "last.ckpt")["global_step"]
    assert f"at step {saved}: go on with" in command.output
    starter.finish(*advised(command))
    assert_same_run(run, jobs(undisturbed / "sweep")[0])
    again = starter.finish(*advised(command))
    assert f"{run} has finished already" in again.output.splitlines()[-1]
    assert_same_run(run, jobs(undisturbed / "sweep")[0])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_new_python_does_the_same(
    number: signal.Signals, code: int, starter: Starter, undisturbed: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    command = starter.cold(*training(undisturbed, tokenizer_path), f"hydra.run.dir={tmp_path / 'run'}")
    assert command.until(lambda: steps_logged(tmp_path / "run") > 2)
    stop(command, number)
    assert command.code == code
    assert_said_in_one_line(command, "stopped by a signal")
    assert starter.cold(*advised(command)).wait() == 0
    assert_same_run(tmp_path / "run", jobs(undisturbed / "sweep")[0])


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_recording_stops_with_one_line_and_keeps_what_is_finished(
    number: signal.Signals, code: int, starter: Starter, tokenizer_path: Path, tmp_path: Path
) -> None:
    episodes = tmp_path / "episodes" / "default"
    command = starter.now(*training(tmp_path, tokenizer_path), f"hydra.run.dir={tmp_path / 'run'}")
    assert command.until(lambda: bool([*episodes.glob("episode_*.h5")]))
    stop(command, number)
    assert command.code == code
    assert_said_in_one_line(command, "interrupted: what was finished is on disk")
    assert 0 < len(read_manifest(episodes).episodes) < EPISODES
    assert len([*episodes.glob("*.h5")]) == len(read_manifest(episodes).episodes)


def test_a_signal_stops_the_whole_sweep(
    starter: Starter, undisturbed: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    folder, arguments = tmp_path / "sweep", sweep(training(undisturbed, tokenizer_path))
    command = starter.now(*arguments, f"hydra.sweep.dir={folder}")
    assert command.until(lambda: any(steps_logged(job) > 2 for job in jobs(folder)))
    stop(command, signal.SIGTERM)
    assert command.code == 143
    assert_said_in_one_line(command, "stopped by a signal")
    assert len(jobs(folder)) == 1
    assert (folder / "summary.html").is_file()
    starter.finish(*arguments, f"sweep.resume={folder}")
    for job, reference in zip(jobs(folder), jobs(undisturbed / "sweep"), strict=True):
        assert_same_run(job, reference)


def test_a_job_that_fails_does_not_stop_the_others(
    starter: Starter, undisturbed: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    arguments = training(undisturbed, tokenizer_path, "trainer.max_epochs=1", "data.context_length=5000,1")
    command = starter.now(arguments[0], "-m", *arguments[1:], f"hydra.sweep.dir={tmp_path}")
    assert command.wait() == 1
    failed, finished = (
        {path.parent.name for path in tmp_path.glob(f"*/{name}")} for name in ("error.txt", "result.json")
    )
    assert (len(failed), len(finished), len(failed | finished)) == (1, 1, 2)
    assert "data.context_length=5000" in (tmp_path / "summary.html").read_text()


@pytest.mark.slow
def test_a_run_goes_on_in_its_wandb_run(
    starter: Starter, undisturbed: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    arguments = training(undisturbed, tokenizer_path, "logger=default", f"logger.wandb.save_dir={tmp_path}")
    command = starter.now(*arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert command.until(lambda: steps_logged(tmp_path / "run") > 2)
    command.kill(to_all=False)
    begun = json.loads((tmp_path / "run" / "wandb.json").read_text())
    command = starter.now(*arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert command.until(lambda: steps_logged(tmp_path / "run") > 5)
    stop(command, signal.SIGTERM)
    assert command.code == 143
    starter.finish(*advised(command))
    assert json.loads((tmp_path / "run" / "wandb.json").read_text()) == begun
    assert {path.name.rpartition("-")[2] for path in tmp_path.glob("wandb/offline-run-*")} == {begun["id"]}
    assert (tmp_path / "run" / "csv" / "metrics.csv").read_text() == (
        jobs(undisturbed / "sweep")[0] / "csv" / "metrics.csv"
    ).read_text()
