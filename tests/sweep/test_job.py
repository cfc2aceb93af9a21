import json
import math
from pathlib import Path

import pandas as pd
import pytest

from pacdream.sweep.folder import read_job, read_log
from pacdream.sweep.job import Job
from tests.sweep.folders import EXPERIMENT, fail, finish, make_job, measure, train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_job(tmp_path, [EXPERIMENT, "optimizer.lr=1e-3", "seed=1", "sweep=grid", "launcher=joblib"])


def read(folder: Path) -> Job:
    return read_job(folder, folder.parent)


def test_a_job_that_has_left_nothing_is_unfinished(folder: Path) -> None:
    job = read(folder)
    assert (job.status, len(job.logged), dict(job.figures), job.error) == ("unfinished", 0, {}, None)
    assert math.isnan(job.score)


def test_a_finished_job_has_its_score_and_the_figures_of_its_best_validation(folder: Path) -> None:
    finish(folder, [0.9, 0.7, 0.8])
    job = read(folder)
    assert (job.status, job.score, job.monitor) == ("finished", 0.7, "val/loss")
    assert job.figures["val/accuracy"] == pytest.approx(1 - 0.7 / 4)


def test_a_scorecard_counts_more_than_validations(folder: Path) -> None:
    finish(folder, [0.9, 0.7])
    measure(folder, 0.25)
    figures = read(folder).figures
    assert not any(name.startswith("val/") for name in figures)
    assert {value for name, value in figures.items() if name != "score"} == {0.25}
    assert figures.keys() >= {"report/copy_accuracy", "report/changed_f1", "rollout/skill_area"}


def test_a_failed_job_says_its_first_line(folder: Path) -> None:
    fail(folder, "no room on the disk")
    assert (read(folder).status, read(folder).error) == ("failed", "no room on the disk")


def test_a_job_whose_report_failed_has_finished_and_says_so(folder: Path) -> None:
    finish(folder, [0.9], reported=False)
    fail(folder, "no ffmpeg")
    assert (read(folder).status, read(folder).error, read(folder).score) == ("finished", "no ffmpeg", 0.9)


@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_a_score_that_is_no_number_is_none(folder: Path, score: float | None) -> None:
    finish(folder, [0.9], score)
    assert read(folder).status == "finished"
    assert math.isnan(read(folder).score)


def test_settings_are_as_typed_or_as_configured(folder: Path) -> None:
    job = read(folder)
    assert [job.setting(key) for key in ("optimizer.lr", "seed", "world_model.hidden_size")] == ["1e-3", "1", "512"]
    assert [job.setting(key) for key in ("optimizer", "nowhere")] == ["adam", "null"]
    assert not {"sweep", "launcher"} & job.settings.keys()


BROKEN = {
    "result.json": [
        '{"score": 2.', "[]", '{"monitor": "val/loss"}',
        '{"score": "low", "monitor": "", "step": 0, "epoch": 0, "reported": true}',
    ],
    "csv/metrics.csv": ["epoch,step,val/loss\n0,1,low\n", "epoch,step,val/loss\n0,1,2,3\n", "\0\n\0\n", "epoch\n1\n"],
    ".hydra/overrides.yaml": ["- a\n b: [", "a: 1", "- optimizer.lr=[1\n"],
    ".hydra/config.yaml": ["a: [", "- a", "\0"],
    "report/metrics.json": ["{", '{"schema": 99}'],
}  # fmt: skip


@pytest.mark.parametrize(("file", "content"), [(file, text) for file, texts in BROKEN.items() for text in texts])
def test_a_damaged_file_is_named_with_a_way_out(folder: Path, file: str, content: str) -> None:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(ValueError, match=r"delete|measure the run again") as error:
        read(folder)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_line_that_is_still_being_written_is_left_out(folder: Path) -> None:
    train(folder, [0.9, 0.8])
    path = folder / "csv" / "metrics.csv"
    whole = read_log(path)
    path.write_text(path.read_text() + "2,,1")
    pd.testing.assert_frame_equal(read_log(path), whole)
    path.write_text("epoch,st")
    assert read_log(path).empty


def test_numbers_of_a_line_are_found_by_column(folder: Path) -> None:
    train(folder, [0.9, 0.8])
    logged = read_log(folder / "csv" / "metrics.csv")
    assert [*logged["val/loss"].dropna()] == [0.9, 0.8]
    assert logged["val/loss"][logged["train/loss_step"].notna()].isna().all()


@pytest.mark.parametrize(("mode", "best"), [("min", 0.5), ("max", 0.9)])
def test_the_best_validation_has_a_number(folder: Path, mode: str, best: float) -> None:
    path = folder / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("mode: min", f"mode: {mode}"))
    losses = [math.nan, 0.9, 0.5, -math.inf, math.inf]
    train(folder, losses)
    assert read(folder).figures["val/accuracy"] == pytest.approx(1 - best / 4)
    assert [*read(folder).curve("epoch").items()] == [(1, 0.9), (2, 0.5)]
    train(folder, losses[:1])
    assert read(folder).figures == {}


def test_a_result_is_what_training_writes(folder: Path) -> None:
    from pacdream.command.result import Result

    Result(0.5, "val/accuracy", 70, 2, True).write(folder)
    assert json.loads((folder / "result.json").read_text())["step"] == 70
    assert (read(folder).score, read(folder).monitor) == (0.5, "val/accuracy")
