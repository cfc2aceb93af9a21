from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from pacdream.metric.control import (
    NOWHERE,
    STILL,
    ControlScore,
    DivergenceScore,
    MoveScore,
    action_spread,
    grid_distances,
    headings,
    retrieval_hits,
)

MOMENTS, ACTIONS, HORIZON, GRID = 5, 4, 3, (4, 3)
RIGHT, LEFT, DOWN, UP = 1, 2, 3, 4
EPISODE = torch.tensor([0, 1, 0, 2, 1])


@pytest.fixture
def real() -> Tensor:
    """Futures (5, 4, 3, 4, 3) that all differ."""
    return torch.randint(16, (MOMENTS, ACTIONS, HORIZON, *GRID))


def controlled(imagined: Tensor, real: Tensor) -> dict[str, Tensor]:
    score = ControlScore(3, HORIZON)
    score.update(imagined, real, EPISODE)
    return score.compute()


def deaf(real: Tensor) -> Tensor:
    """A dream that is near the first action's future, whatever the action."""
    blurred = torch.where(torch.rand(real.shape) < 0.9, real, 99)
    return blurred[:, :1].expand_as(real)


def test_distances_equal_a_naive_loop(real: Tensor) -> None:
    imagined = torch.where(torch.rand(real.shape) < 0.5, real, 0)
    distances = grid_distances(imagined, real)
    assert distances.shape == (MOMENTS, ACTIONS, ACTIONS, HORIZON)
    for b, i, j, t in product(range(MOMENTS), range(ACTIONS), range(ACTIONS), range(HORIZON)):
        pairs = zip(imagined[b, i, t].flatten(), real[b, j, t].flatten(), strict=True)
        assert distances[b, i, j, t] == pytest.approx(sum(int(p != q) for p, q in pairs) / 12)


def test_retrieval_equals_a_naive_loop() -> None:
    distances = torch.randint(3, (MOMENTS, ACTIONS, ACTIONS, HORIZON)).double()
    hits = retrieval_hits(distances)
    for b, t in product(range(MOMENTS), range(HORIZON)):
        won = 0.0
        for i, row in enumerate(distances[b, :, :, t].tolist()):
            nearest = [j for j in range(ACTIONS) if row[j] == min(row)]
            won += (i in nearest) / len(nearest)
        assert float(hits[b, t]) == pytest.approx(won / ACTIONS)


def test_a_deaf_dream_is_at_chance(real: Tensor) -> None:
    figures = controlled(deaf(real), real)
    assert figures["retrieval"].tolist() == [1 / ACTIONS] * HORIZON
    assert not figures["spread_imagined"].any()


def test_a_deaf_dream_is_at_chance_even_if_some_futures_are_the_same(real: Tensor) -> None:
    real[:, 2] = real[:, 0]
    torch.testing.assert_close(controlled(deaf(real), real)["retrieval"], torch.full((HORIZON,), 0.25).double())


@pytest.mark.parametrize("walls", [False, True])
def test_an_oracle_gets_the_best_retrieval(real: Tensor, walls: bool) -> None:
    if walls:
        real[:, 3] = real[:, 1]
    figures = controlled(real, real)
    assert torch.equal(figures["retrieval"], figures["retrieval_best"])
    assert torch.equal(figures["spread_imagined"], figures["spread_real"])
    assert figures["retrieval_best"].tolist() == [0.75 if walls else 1.0] * HORIZON


def test_a_dream_that_mixes_up_its_actions_retrieves_nothing(real: Tensor) -> None:
    assert not controlled(real.roll(1, dims=1), real)["retrieval"].any()


def test_a_tie_is_shared() -> None:
    tied = torch.tensor([[0, 0, 1], [1, 0, 1], [1, 0, 0]])[None, ..., None]
    assert retrieval_hits(tied).item() == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)


def test_the_fan_is_the_mean_distance_of_different_futures(real: Tensor) -> None:
    real[:, 1] = real[:, 0]
    pairs = [(i, j) for i in range(ACTIONS) for j in range(ACTIONS) if i != j]
    expected = torch.stack([(real[:, i] != real[:, j]).double().mean((-2, -1)) for i, j in pairs]).mean(0)
    torch.testing.assert_close(action_spread(real), expected.float())


@pytest.mark.parametrize(
    ("x", "y", "heading"),
    [
        (10, 0, RIGHT), (-10, 0, LEFT), (0, 10, DOWN), (0, -10, UP), (10, -9, RIGHT), (-9, 10, DOWN), (60, 0, RIGHT),
        (0, 0, STILL), (3.5, -3.5, STILL), (4, 0, RIGHT), (0, -4, UP),
        (np.nan, np.nan, NOWHERE), (61, 0, NOWHERE), (0, -61, NOWHERE), (140, 2, NOWHERE),
    ],
)  # fmt: skip
def test_a_heading_is_the_direction_of_a_believable_move(x: float, y: float, heading: int) -> None:
    assert headings(np.array([x, y], np.float32)) == heading


def test_headings_of_many_are_those_of_each() -> None:
    moves = np.random.default_rng(0).normal(0, 30, (6, 4, 2)).astype(np.float32)
    together = headings(moves)
    for b, a in product(range(6), range(4)):
        assert together[b, a] == headings(moves[b, a])


def moved(imagined: list[list[int]], decoded: list[list[int]], real: list[list[int]]) -> dict[str, float]:
    score = MoveScore(3)
    score.update(np.array(imagined), np.array(decoded), np.array(real), torch.arange(len(real)))
    return {name: float(value) for name, value in score.compute().items()}


def test_a_deaf_player_moves_at_chance() -> None:
    went = np.random.default_rng(0).integers(0, 5, (3, ACTIONS)).tolist()
    figures = moved([[row[0]] * ACTIONS for row in went], went, went)
    assert figures["move"] == figures["move_chance"] > 0


def test_an_obedient_player_moves_as_the_real_one_and_beats_chance() -> None:
    figures = moved([[UP, RIGHT, LEFT, DOWN]], [[UP, RIGHT, DOWN, NOWHERE]], [[UP, RIGHT, LEFT, DOWN]])
    assert figures == {"move": 1, "move_chance": 0.25, "move_tokenizer": 0.5}


def test_chance_is_the_mean_over_all_exchanges() -> None:
    imagined, real = [UP, UP, STILL, NOWHERE], [UP, LEFT, STILL, STILL]
    exchanged = [sum(imagined[(i + shift) % 4] == real[i] for i in range(4)) / 4 for shift in range(4)]
    assert moved([imagined], [real], [real])["move_chance"] == pytest.approx(sum(exchanged) / 4)


@pytest.mark.parametrize("untold", [[UP, LEFT, NOWHERE, DOWN], [UP, UP, UP, UP]])
def test_moments_that_cannot_tell_directions_apart_do_not_count(untold: list[int]) -> None:
    informative = [UP, RIGHT, LEFT, DOWN]
    score = MoveScore(2)
    score.update(*(np.array([untold, informative]),) * 3, torch.tensor([0, 1]))
    assert score.sums[:, 0].tolist() == [0, 1]
    assert score.compute()["move"] == 1


def test_there_is_no_score_if_no_moment_tells() -> None:
    assert np.isnan(list(moved([[UP] * 4], [[UP] * 4], [[UP] * 4]).values())).all()


def diverged(imagined: Tensor, shuffled: Tensor, target: Tensor) -> dict[str, Tensor]:
    score = DivergenceScore(3, HORIZON)
    score.update(imagined, shuffled, target, EPISODE)
    return score.compute()


def test_equal_dreams_do_not_diverge(real: Tensor) -> None:
    imagined, target = real[:, 0], real[:, 1]
    figures = diverged(imagined, imagined, target)
    assert not figures["divergence"].any()
    torch.testing.assert_close(figures["shuffled_accuracy"], (imagined == target).double().mean((0, 2, 3)))


def test_divergence_is_the_share_of_codes_that_differ(real: Tensor) -> None:
    imagined, target = real[:, 0], real[:, 1]
    shuffled = torch.where(torch.rand(target.shape) < 0.3, target, imagined)
    figures = diverged(imagined, shuffled, target)
    torch.testing.assert_close(figures["divergence"], (imagined != shuffled).double().mean((0, 2, 3)))
    torch.testing.assert_close(figures["shuffled_accuracy"], (shuffled == target).double().mean((0, 2, 3)))
