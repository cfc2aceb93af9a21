import math
from pathlib import Path

import pytest

from pacdream.sweep.folder import read_sweep
from pacdream.sweep.sentences import commands, headline, notes
from pacdream.sweep.tables import combination_table, number, short_keys, spread_text
from tests.sweep.folders import finish, make_sweep, measure, small_sweep, train

LR = "optimizer.lr"


def lines(folder: Path, losses: dict[tuple[str, str], float], key: str = LR) -> tuple[str, str]:
    """Headline and notes of a sweep over one setting and seeds with these scores."""
    values, seeds = (tuple(dict.fromkeys(names)) for names in zip(*losses, strict=True))
    for (value, seed), job in zip(
        ((v, s) for v in values for s in seeds), make_sweep(folder, {key: values, "seed": seeds}), strict=True
    ):
        if (value, seed) in losses:
            finish(job, [losses[value, seed]])
    sweep = read_sweep(folder)
    return headline(sweep), " ".join(notes(sweep))


def test_the_headline_counts_and_names_the_best(tmp_path: Path) -> None:
    small_sweep(tmp_path)
    says = headline(read_sweep(tmp_path))
    assert says.startswith("8 jobs: 6 finished, 1 failed, 1 unfinished. Best val/loss: ")
    assert "(n = 2) with hidden_size=256, lr=1e-4" in says


def test_the_headline_does_not_hide_that_other_seeds_have_no_score(tmp_path: Path) -> None:
    assert "Best val/loss: 0.4000 (n = 1 of 2) with" in lines(tmp_path, {("1e-2", "0"): 0.4, ("1e-3", "1"): 0.5})[0]


def test_a_lucky_seed_is_told_from_the_best_settings(tmp_path: Path) -> None:
    scores = {("1e-3", "0"): 0.5, ("1e-3", "1"): 0.5, ("1e-4", "0"): 0.4, ("1e-4", "1"): 0.9}
    says, _ = lines(tmp_path, scores)
    assert "with lr=1e-3; the best single job is another: 0.4000 with lr=1e-4, seed=0." in says


def test_without_scores_nothing_is_best(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"seed": ("0", "1")})
    sweep = read_sweep(tmp_path)
    assert headline(sweep) == "2 jobs: 2 unfinished. None has a score yet."
    assert (notes(sweep), len(commands(sweep))) == ([], 1)


def test_a_choice_is_said_to_be_optimistic(tmp_path: Path) -> None:
    _, says = lines(tmp_path, {("1e-3", "0"): 0.5, ("1e-4", "0"): 0.6})
    assert "optimistic: it was chosen among 2" in says
    assert "One job per row" in says


def test_rows_with_fewer_jobs_are_doubted(tmp_path: Path) -> None:
    _, says = lines(tmp_path, {("1e-3", "0"): 0.5, ("1e-3", "1"): 0.51, ("1e-4", "0"): 0.6})
    assert "different numbers of jobs" in says
    assert "One job per row" not in says


@pytest.mark.parametrize(("other", "close"), [(0.52, True), (0.7, False)])
def test_what_is_about_as_good_is_named(tmp_path: Path, other: float, close: bool) -> None:
    scores = {("1e-3", "0"): 0.4, ("1e-3", "1"): 0.6, ("1e-4", "0"): other, ("1e-4", "1"): other}
    assert ("Within one standard deviation of the best: lr=1e-4." in lines(tmp_path, scores)[1]) == close


@pytest.mark.parametrize(
    ("key", "doubt"),
    [
        ("data.split_seed", True),
        ("recording.seed", True),
        ("trainer.limit_val_batches", True),
        (LR, False),
        ("tokenizer.pixel_dim", False),
    ],
)
def test_other_data_do_not_compare(tmp_path: Path, key: str, doubt: bool) -> None:
    assert (
        f"differ in {key} are measured on other data" in lines(tmp_path, {("1", "0"): 0.5, ("2", "0"): 0.6}, key)[1]
    ) == doubt


def test_a_missing_score_and_another_monitor_are_stated(tmp_path: Path) -> None:
    jobs = make_sweep(tmp_path, {"seed": ("0", "1", "2")})
    finish(jobs[0], [0.5])
    finish(jobs[1], [0.5], None)
    finish(jobs[2], [0.5], monitor="val/accuracy")
    says = " ".join(notes(read_sweep(tmp_path)))
    assert "1 finished without a score (seed=1): val/loss was never a finite number." in says
    assert "different values (val/accuracy, val/loss)" in says


@pytest.mark.parametrize(("monitor", "logged", "says"), [
    ("val/loss", "epoch,step,train/loss_epoch\n0,5,1.5\n", "val/loss, which the checkpoint monitors, was never logged"),
    ("val/loss", "epoch,step,train/loss_epoch\n0,5,1.5\n", "callback.checkpoint.monitor=train/loss_epoch"),
    ("val/loss", "step,lr-Adam\n0,0.1\n", "validate earlier (trainer.val_check_interval=<steps>)."),
    (None, "step,lr-Adam\n0,0.1\n", "nothing was monitored. Choose what: callback.checkpoint.monitor="),
])  # fmt: skip
def test_without_a_score_the_way_to_one_is_told(tmp_path: Path, monitor: str | None, logged: str, says: str) -> None:
    for job in make_sweep(tmp_path, {"seed": ("0", "1")}):
        finish(job, [0.5], None, monitor=monitor)
        (job / "csv" / "metrics.csv").write_text(logged)
    sweep = read_sweep(tmp_path)
    assert headline(sweep) == "2 jobs: 2 finished. None has a score."
    (note,) = notes(sweep)
    assert note.startswith("2 finished without a score (seed=0; seed=1): ")
    assert says in note


def test_the_table_has_n_and_marks_one_row(tmp_path: Path) -> None:
    jobs = small_sweep(tmp_path)
    finish(jobs["512", "1e-3", "1"], [0.99])
    measure(jobs["256", "1e-4", "0"], 0.25)
    sweep = read_sweep(tmp_path)
    table = combination_table(sweep, sweep.figures.columns[1:])
    assert table.header[:5] == ["", "hidden_size", "lr", "val/loss", "n"]
    assert [row[0] for row in table.rows] == ["★", "", "", ""]
    assert [row[4] for row in table.rows] == ["2", "2", "2", "1 of 2"]
    cells = dict(zip(table.header, table.rows[0], strict=True))
    assert cells["report/changed_f1"] == "0.2500 (n = 1)"
    assert dict(zip(table.header, table.rows[1], strict=True))["report/changed_f1"] == "–"


def test_figures_that_only_unfinished_jobs_have_are_no_columns(tmp_path: Path) -> None:
    finished, running = make_sweep(tmp_path, {"seed": ("0", "1")})
    finish(finished, [0.9])
    measure(finished, 0.25)
    train(running, [0.9])
    sweep = read_sweep(tmp_path)
    assert "val/skill" in sweep.figures
    assert "val/skill" not in combination_table(sweep, sweep.figures.columns).header


def test_keys_are_as_short_as_they_can_be() -> None:
    assert short_keys(["optimizer.lr", "model.size", "data.size", "seed"]) == ["lr", "model.size", "data.size", "seed"]


def test_numbers_are_readable() -> None:
    assert [number(value) for value in (0.8, -12.34567, 1234.5)] == ["0.8000", "-12.3457", "1234"]
    texts = [spread_text(*spread) for spread in ((0.5, 0.01), (0.5, math.nan), (math.nan, math.nan))]
    assert texts == ["0.5000 ± 0.0100", "0.5000", "–"]
