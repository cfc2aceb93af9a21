import math
from itertools import product

import pytest
import torch
from torch import Tensor

from pacdream.metric.code_score import CodeScore, PositionScore, SkillScore, code_counts, code_figures, skill

WINDOWS, HORIZON, GRID = 6, 20, (4, 3)
EPISODE = torch.arange(WINDOWS) % 3
Grids = tuple[Tensor, Tensor, Tensor]


def random_grids(*leading: int) -> Grids:
    """Predicted, present and target grids (..., 4, 3) of three codes: many copies, some changes."""
    predicted, present, target = torch.randint(3, (3, *leading, *GRID))
    return predicted, present, target


def naive_counts(predicted: Tensor, present: Tensor, target: Tensor) -> list[int]:
    counts = [0, 0, 0, 0, 0]
    for guess, now, then in zip(predicted.flatten(), present.flatten(), target.flatten(), strict=True):
        events = [True, guess == then, now != then, now != then and guess == then, guess != now]
        counts = [count + bool(event) for count, event in zip(counts, events, strict=True)]
    return counts


def naive_figures(predicted: Tensor, present: Tensor, target: Tensor) -> dict[str, float]:
    right = still = still_right = hits = false_alarms = misses = 0
    for guess, now, then in zip(predicted.flatten(), present.flatten(), target.flatten(), strict=True):
        right += int(guess == then)
        still += int(now == then)
        still_right += int(now == then == guess)
        hits += int(guess != now and guess == then)
        false_alarms += int(guess != now and guess != then)
        misses += int(now != then and guess != then)
    return {
        "accuracy": right / target.numel(),
        "unchanged_accuracy": still_right / still,
        "changed_recall": hits / (hits + misses),
        "changed_precision": hits / (hits + false_alarms),
        "changed_f1": hits / (hits + (false_alarms + misses) / 2),
    }


def figures_of(predicted: Tensor, present: Tensor, target: Tensor) -> dict[str, float]:
    counts = code_counts(predicted, present, target).double().view(-1, 5).sum(0)
    return {name: float(estimate.value) for name, estimate in code_figures(counts).items()}


@pytest.mark.parametrize("leading", [(), (6,), (2, 5)])
def test_counts_equal_a_naive_loop(leading: tuple[int, ...]) -> None:
    grids = random_grids(*leading)
    counts = code_counts(*grids)
    assert counts.shape == (*leading, 5)
    for index in product(*map(range, leading)):
        assert counts[index].tolist() == naive_counts(*(grid[index] for grid in grids))


def test_figures_equal_their_naive_definitions() -> None:
    grids = random_grids(WINDOWS)
    assert figures_of(*grids) == pytest.approx(naive_figures(*grids))


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    figures = figures_of(*random_grids(WINDOWS))
    precision, recall = figures["changed_precision"], figures["changed_recall"]
    assert figures["changed_f1"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_copier_keeps_all_that_stays_and_gets_nothing_that_changes() -> None:
    _, present, target = random_grids(WINDOWS)
    figures = figures_of(present, present, target)
    assert (figures["unchanged_accuracy"], figures["changed_recall"], figures["changed_f1"]) == (1, 0, 0)
    assert math.isnan(figures["changed_precision"])


def test_an_oracle_is_right_by_every_measure() -> None:
    _, present, target = random_grids(WINDOWS)
    assert set(figures_of(target, present, target).values()) == {1}


def test_a_change_to_the_wrong_code_is_claimed_and_missed() -> None:
    present = torch.zeros(GRID, dtype=torch.int64)
    figures = figures_of(present + 1, present, present + 2)
    assert (figures["accuracy"], figures["changed_precision"], figures["changed_recall"]) == (0, 0, 0)


def test_recall_is_nan_if_nothing_changes() -> None:
    predicted, present, _ = random_grids(WINDOWS)
    assert math.isnan(figures_of(predicted, present, present)["changed_recall"])


def test_each_horizon_has_the_figures_of_its_own_grids() -> None:
    grids = random_grids(WINDOWS, HORIZON)
    score = CodeScore(3, HORIZON)
    score.update(*grids, EPISODE)
    for t in range(HORIZON):
        at_horizon = {name: float(value[t]) for name, value in score.compute().items()}
        assert at_horizon == pytest.approx(naive_figures(*(grid[:, t] for grid in grids)))


def test_one_present_grid_stands_for_all_horizons() -> None:
    predicted, present, target = random_grids(WINDOWS, HORIZON)
    once, always = CodeScore(3, HORIZON), CodeScore(3, HORIZON)
    once.update(predicted, present[:, :1], target, EPISODE)
    always.update(predicted, present[:, :1].expand_as(target), target, EPISODE)
    assert torch.equal(once.sums, always.sums)


def test_each_position_has_the_figures_of_its_own_codes() -> None:
    grids = random_grids(30)
    score = PositionScore(3, GRID)
    score.update(*grids, torch.arange(30) % 3)
    figures = score.compute()
    for y, x in product(range(GRID[0]), range(GRID[1])):
        predicted, present, target = (grid[:, y, x] for grid in grids)
        naive = naive_figures(predicted, present, target)
        assert figures["accuracy"][y, x] == pytest.approx(naive["accuracy"])
        assert figures["changed_recall"][y, x] == pytest.approx(naive["changed_recall"])
        assert figures["copy"][y, x] == pytest.approx(float((present == target).double().mean()))


def agreeing(target: Tensor, share: float) -> Tensor:
    """Codes of which exactly ``share`` of every grid agree with the target, rounded down."""
    order = torch.rand(target.shape).flatten(-2).argsort(-1).view(target.shape)
    return torch.where(order < int(share * math.prod(GRID)), target, target + 1)


@pytest.fixture
def target() -> Tensor:
    return torch.randint(9, (WINDOWS, HORIZON, *GRID))


def skill_of(predicted: Tensor, target: Tensor, copied: float = 0.5, ceiling: float | Tensor = 1) -> dict[str, Tensor]:
    """Figures of a prediction between a copier and a ceiling that are right about the given shares of every grid."""
    certain = ceiling if isinstance(ceiling, Tensor) else agreeing(target, ceiling) == target
    score = SkillScore(3, HORIZON)
    score.update(predicted, agreeing(target, copied), certain, target, EPISODE)
    return score.compute()


def test_copy_star_has_skill_zero(target: Tensor) -> None:
    assert not skill_of(agreeing(target, 0.5), target)["skill"].any()


def test_skill_of_numbers() -> None:
    assert skill(torch.tensor(0.7), torch.tensor(0.8)) < 0
    torch.testing.assert_close(skill(torch.tensor(0.9), torch.tensor(0.8), 0.9), torch.tensor(1.0))
    assert skill(torch.tensor(0.9), torch.tensor(0.8), torch.tensor(0.8)).isnan()


def test_an_oracle_has_skill_one_under_a_perfect_ceiling(target: Tensor) -> None:
    assert (skill_of(target, target)["skill"] == 1).all()


def test_the_ceiling_itself_has_skill_one(target: Tensor) -> None:
    certain = torch.rand(target.shape) < 0.9
    figures = skill_of(torch.where(certain, target, target + 1), target, ceiling=certain)
    torch.testing.assert_close(figures["skill"], torch.ones(HORIZON).double())
    assert (figures["ceiling"] < 1).all()


def test_skill_is_what_is_won_over_copying_as_a_share_of_what_can_be(target: Tensor) -> None:
    predicted, copied, other = (torch.where(torch.rand(target.shape) < p, target, 9) for p in (0.7, 0.6, 0.9))
    score = SkillScore(3, HORIZON)
    score.update(predicted, copied, other == target, target, EPISODE)
    found = score.compute()["skill"]
    for t in range(HORIZON):
        accuracy, copy_star, ceiling = (
            sum(int(a == b) for a, b in zip(grid[:, t].flatten(), target[:, t].flatten(), strict=True))
            for grid in (predicted, copied, other)
        )
        assert found[t] == pytest.approx((accuracy - copy_star) / (ceiling - copy_star))


def test_worse_than_copying_is_negative_skill(target: Tensor) -> None:
    torch.testing.assert_close(skill_of(agreeing(target, 0.25), target)["skill"], torch.full((HORIZON,), -0.5).double())


@pytest.mark.parametrize("ceiling", [0.25, 0.5])
def test_there_is_no_skill_where_the_ceiling_does_not_exceed_copying(target: Tensor, ceiling: float) -> None:
    figures = skill_of(target, target, ceiling=ceiling)
    assert figures["skill"].isnan().all()
    assert figures["skill_area"].isnan()


def test_one_step_ahead_all_horizons_share_their_ceiling(target: Tensor) -> None:
    certain = torch.rand(WINDOWS, 1, *GRID) < 0.9
    ceiling = skill_of(target, target, ceiling=certain)["ceiling"]
    torch.testing.assert_close(ceiling, certain.double().mean().expand(HORIZON))


def test_the_area_is_the_mean_skill_of_the_first_15_horizons(target: Tensor) -> None:
    figures = skill_of(torch.where(torch.rand(target.shape) < 0.7, target, 9), target)
    torch.testing.assert_close(figures["skill_area"], figures["skill"][:15].mean())


def sums_of(skills: list[float]) -> Tensor:
    """Sums (T, 4) that lead to these skills."""
    rows = [[100, 0, 100, 100] if math.isnan(skill) else [100, 100 * skill, 0, 100] for skill in skills]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("skills", "steps"),
    [
        ([0.9, 0.8, 0.4, 0.9], 2),
        ([0.4, 0.9, 0.9, 0.9], 0),
        ([0.5, 0.5, 0.5, 0.5], 4),
        ([1, 0.5, 0.49, 0.5], 2),
        ([0.9, math.nan, 0.7, 0.1], 3),
        ([0.9, math.nan, math.nan, math.nan], 1),
    ],
)
def test_steps_are_counted_until_skill_first_falls_below_half(skills: list[float], steps: int) -> None:
    assert SkillScore(1, 4).figures(sums_of(skills))["steps_until_half_skill"].value == steps


def test_figures_of_many_sums_are_those_of_each() -> None:
    score, rows = SkillScore(1, 4), [[0.9, 0.8, 0.4, 0.9], [0.4, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.2]]
    together = score.figures(torch.stack([sums_of(row) for row in rows]))
    for i, row in enumerate(rows):
        for name, estimate in score.figures(sums_of(row)).items():
            assert torch.equal(together[name].value[i], estimate.value)
            assert torch.equal(together[name].n[i], estimate.n)
