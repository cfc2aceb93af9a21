import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pacdream.sweep.folder import job_folders, read_sweep
from pacdream.sweep.sweep import Sweep, order, ordered
from tests.sweep.folders import RATES, SEEDS, SIZES, finish, losses_of, make_job, make_sweep, small_sweep

KEYS = ("world_model.hidden_size", "optimizer.lr")


def combinations(sweep: Sweep) -> list[tuple[str, ...]]:
    """The values of each, in their order."""
    return [*sweep.combinations.values.itertuples(index=False, name=None)]


def sizes(sweep: Sweep) -> list[int]:
    """How many jobs each has."""
    return [len(sweep.members(i)) for i in sweep.combinations.n.index]


def test_only_what_differs_between_jobs_varies_and_the_seed_comes_last(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"seed": SEEDS, KEYS[0]: SIZES, KEYS[1]: RATES}, ["world_model.num_layers=2", "sweep=grid"])
    sweep = read_sweep(tmp_path)
    assert sweep.varying == (*KEYS, "seed")
    assert sweep.settings == [*KEYS]


@pytest.mark.parametrize("spellings", [("1e-3", "0.001"), ("512", "512.0")])
def test_two_spellings_of_a_number_do_not_vary(tmp_path: Path, spellings: tuple[str, str]) -> None:
    for seed, text in enumerate(spellings):
        make_job(tmp_path, [f"optimizer.lr={text}", f"seed={seed}"])
    assert read_sweep(tmp_path).varying == ("seed",)


def test_a_setting_that_one_job_was_not_given_is_looked_up(tmp_path: Path) -> None:
    for overrides in (["seed=1"], ["seed=1", "optimizer.lr=0.001"], ["seed=1", "optimizer.lr=3e-4", "optimizer=adam"]):
        make_job(tmp_path, overrides)
    sweep = read_sweep(tmp_path)
    assert sweep.varying == ("optimizer.lr",)
    assert sizes(sweep) == [1, 2]


def test_how_jobs_are_started_is_no_setting(tmp_path: Path) -> None:
    for seed, more in enumerate([[], ["sweep.resume=outputs/a"], ["launcher=joblib"]]):
        make_job(tmp_path / str(seed), [f"seed={seed}", *more])
    assert read_sweep(tmp_path).varying == ("seed",)


def test_the_seed_of_the_split_is_an_ordinary_setting(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"data.split_seed": SEEDS, "seed": SEEDS})
    sweep = read_sweep(tmp_path)
    assert sweep.settings == ["data.split_seed"]
    assert sizes(sweep) == [2, 2]


def test_means_and_deviations_equal_a_naive_computation(tmp_path: Path) -> None:
    small_sweep(tmp_path)
    sweep = read_sweep(tmp_path)
    found = sweep.combinations
    assert {*combinations(sweep)} == {(size, rate) for size in SIZES for rate in RATES}
    for i, (size, rate) in enumerate(combinations(sweep)):
        assert {job.setting("seed") for job in sweep.members(i)} == {*SEEDS}
        if (size, rate) == ("512", "1e-3"):
            assert not found.n.loc[i].any()
            continue
        scores = np.array([min(losses_of(size, rate, seed)) for seed in SEEDS])
        for name, values in {"score": scores, "val/skill": 1 - scores / 6}.items():
            assert (found.mean[name][i], found.std[name][i]) == pytest.approx((values.mean(), values.std(ddof=1)))
            assert found.n[name][i] == 2


def test_what_has_not_finished_enters_no_mean(tmp_path: Path) -> None:
    jobs = small_sweep(tmp_path)
    finish(jobs["512", "1e-3", "0"], [0.6])
    sweep = read_sweep(tmp_path)
    i, found = combinations(sweep).index(("512", "1e-3")), sweep.combinations
    assert (found.mean["score"][i], found.n["score"][i], found.n["val/skill"][i]) == (0.6, 1, 1)
    assert math.isnan(found.std["score"][i])


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_the_best_comes_first_and_what_has_no_score_last(tmp_path: Path, mode: str, sign: int) -> None:
    for job in small_sweep(tmp_path).values():
        path = job / ".hydra" / "config.yaml"
        path.write_text(path.read_text().replace("mode: min", f"mode: {mode}"))
    sweep = read_sweep(tmp_path)
    means = [*sweep.combinations.mean["score"][:-1]]
    assert means == sorted(means, key=lambda mean: sign * mean)
    assert combinations(sweep)[-1] == ("512", "1e-3")
    assert sweep.has_score
    scores = [job.score for job in sweep.jobs if job.status == "finished"]
    assert sweep.best_job is not None
    assert sweep.jobs[sweep.best_job].score == (min(scores) if mode == "min" else max(scores))


@pytest.mark.parametrize("score", [None, math.nan])
def test_a_job_without_a_score_is_never_best(tmp_path: Path, score: float | None) -> None:
    jobs = make_sweep(tmp_path, {"seed": ("0", "1", "2")})
    finish(jobs[0], [0.1], score)
    assert (read_sweep(tmp_path).has_score, read_sweep(tmp_path).best_job) == (False, None)
    finish(jobs[1], [0.5])
    sweep = read_sweep(tmp_path)
    assert sweep.best_job is not None
    assert sweep.jobs[sweep.best_job].folder == jobs[1]
    assert sweep.combinations.n["score"][0] == 1


def test_an_unfinished_job_is_never_best(tmp_path: Path) -> None:
    jobs = small_sweep(tmp_path)  # the unfinished one has the lowest loss in its log
    sweep = read_sweep(tmp_path)
    assert sweep.best_job is not None
    assert sweep.jobs[sweep.best_job].folder == jobs["256", "1e-4", "0"]


def test_the_grid_has_every_score_in_its_place(tmp_path: Path) -> None:
    sizes, rates = ("1024", "256", "512"), ("1e-3", "1e-4", "3e-4")  # not in the order of words, nor of numbers
    expected = np.full((3, 3), np.nan)
    jobs = make_sweep(tmp_path, {KEYS[0]: sizes, KEYS[1]: rates})
    for i, job in enumerate(jobs):
        size, rate = sizes[i // 3], rates[i % 3]
        if (size, rate) != ("512", "3e-4"):
            score = 0.5 + i * 5 % 9 / 20  # in no order
            finish(job, [score])
            expected[sorted(sizes, key=int).index(size), sorted(rates, key=float).index(rate)] = score
    sweep = read_sweep(tmp_path)
    grid = sweep.grid()
    assert grid is not None
    assert ([*grid.index], [*grid.columns]) == (["256", "512", "1024"], ["1e-4", "3e-4", "1e-3"])
    np.testing.assert_allclose(sweep.combinations.mean["score"].to_numpy()[grid], expected)


@pytest.mark.parametrize("settings", [{KEYS[0]: SIZES}, {KEYS[0]: SIZES, KEYS[1]: RATES, "data.split_seed": SEEDS}])
def test_only_two_settings_make_a_grid(tmp_path: Path, settings: dict[str, tuple[str, ...]]) -> None:
    make_sweep(tmp_path, {**settings, "seed": SEEDS})
    assert read_sweep(tmp_path).grid() is None


def test_random_points_are_no_grid(tmp_path: Path) -> None:
    for i in range(9):
        make_job(tmp_path, [f"optimizer.lr={0.001 * (i + 1)}", f"world_model.hidden_size={100 + i}"])
    assert read_sweep(tmp_path).grid() is None


def test_numbers_come_by_size_and_before_words() -> None:
    texts = ["1e-5", "3e-4", "0.001", "9", "10", "adam", "nan", "null", "sgd"]
    shuffled = random.Random(0).sample(texts, len(texts))
    assert sorted(shuffled, key=order) == texts


def test_a_number_is_spelt_as_it_was_first() -> None:
    column = ordered(["adam", "1e-3", "10", "0.001", "9"])
    assert [*column] == ["adam", "1e-3", "10", "1e-3", "9"]
    assert [*column.categories] == ["1e-3", "9", "10", "adam"]


def test_a_job_that_was_never_started_is_missed(tmp_path: Path) -> None:
    jobs = make_sweep(tmp_path, {KEYS[0]: SIZES, "seed": SEEDS})
    for job in jobs:
        finish(job, [0.9])
    assert (read_sweep(tmp_path).not_started, read_sweep(tmp_path).resume) == (0, None)
    (jobs[0]).rename(tmp_path.parent / "elsewhere")
    sweep = read_sweep(tmp_path)
    assert sweep.not_started == 1
    assert sweep.resume is not None


@pytest.mark.parametrize("result", [{"reported": False}, None])
def test_what_is_not_done_can_be_resumed(tmp_path: Path, result: dict[str, bool] | None) -> None:
    jobs = make_sweep(tmp_path, {"seed": SEEDS})
    finish(jobs[0], [0.9])
    if result is not None:
        finish(jobs[1], [0.9], **result)
    assert read_sweep(tmp_path).resume is not None


def test_without_the_command_nothing_can_be_missed(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"seed": SEEDS})
    (tmp_path / "multirun.yaml").unlink()
    assert (read_sweep(tmp_path).not_started, read_sweep(tmp_path).resume) == (0, None)


def test_a_value_with_a_slash_puts_the_job_deeper(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"tokenizer/quantizer": ("ema", "fsq")})
    assert [job.name for job in read_sweep(tmp_path).jobs] == ["tokenizer/quantizer=ema", "tokenizer/quantizer=fsq"]


REFUSED: dict[str, Callable[[Path], object]] = {
    "is not a folder": lambda path: path.touch(),
    "no jobs in": lambda path: path.mkdir(),
    "is the folder of a single run": lambda path: (path / ".hydra").mkdir(parents=True),
    "holds sweeps, not jobs": lambda path: make_sweep(path / "gru_baseline" / "t", {"seed": SEEDS}),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path, line: str) -> None:
    REFUSED[line](tmp_path / "x")
    with pytest.raises(ValueError, match=line) as error:
        job_folders(tmp_path / "x")
    assert str(tmp_path / "x") in str(error.value)
    assert "\n" not in str(error.value)
