import numpy as np
import pytest
import torch
from torch import Tensor

from pacdream.metric.copies import BestCopy, copy, fit_best_copy, phase_copy, unigram

CONTEXT, HORIZON = 4, 9


@pytest.fixture
def numbered() -> Tensor:
    """Grids (2, 13, 7, 5) whose codes are the number of their step."""
    return torch.arange(CONTEXT + HORIZON)[None, :, None, None].expand(2, -1, 7, 5)


def test_copy_repeats_the_last_seen_grid(numbered: Tensor) -> None:
    copied = copy(numbered, CONTEXT)
    assert copied.shape == (2, HORIZON, 7, 5)
    assert (copied == CONTEXT - 1).all()


def test_phase_copy_goes_back_by_whole_periods_to_a_seen_grid(numbered: Tensor) -> None:
    assert phase_copy(numbered, CONTEXT, 4)[0, :, 0, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]


@pytest.mark.parametrize("context", [4, 5, 6, 7])
@pytest.mark.parametrize("period", [1, 3, 4])
def test_phase_copy_equals_a_naive_loop(context: int, period: int) -> None:
    codes = torch.randint(16, (3, context + HORIZON, 7, 5))
    copied = phase_copy(codes, context, period)
    for h in range(1, HORIZON + 1):
        source = context - 1 + h
        while source >= context:
            source -= period
        assert torch.equal(copied[:, h - 1], codes[:, source])


def test_phase_copy_is_right_about_anything_that_blinks(numbered: Tensor) -> None:
    blinking = numbered % 4
    assert torch.equal(phase_copy(blinking, CONTEXT, 4), blinking[:, CONTEXT:])


def test_phase_copy_of_less_than_a_period_is_refused(numbered: Tensor) -> None:
    with pytest.raises(ValueError, match="needs 4 seen grids, not 3"):
        phase_copy(numbered, 3, 4)


def test_where_nothing_blinks_a_phase_copy_is_a_copy(numbered: Tensor) -> None:
    assert torch.equal(phase_copy(numbered, CONTEXT, 1), copy(numbered, CONTEXT))


def test_unigram_equals_a_naive_loop() -> None:
    codes = torch.randint(4, (50, 7, 5), dtype=torch.uint8)
    most_frequent = unigram(codes, codebook_size=16)
    for row in range(7):
        for column in range(5):
            assert most_frequent[row, column] == np.bincount(codes[:, row, column]).argmax()


def noisy_blinking(length: int, seed: int) -> Tensor:
    """Grids (N, 7, 5): the left column blinks with period 4, the right one seldom changes, the rest is noise."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(16, (length, 7, 5), generator=generator)
    codes[:, :, 0] = (torch.arange(length) % 4)[:, None]
    codes[:, :, 4] = (torch.arange(length) // 10)[:, None]
    return codes


@pytest.mark.parametrize("period", [1, 4])
def test_the_best_copy_is_chosen_for_each_step_and_position_by_a_naive_count(period: int) -> None:
    episodes = [noisy_blinking(40, 0), noisy_blinking(23, 1), noisy_blinking(3, 2)]
    found = fit_best_copy(episodes, (7, 5), HORIZON, period).phase
    right = np.zeros((2, HORIZON, 7, 5), int)
    for codes in episodes:
        for present in range(period - 1, len(codes)):
            for h in range(1, min(HORIZON, len(codes) - 1 - present) + 1):
                back = present + h
                while back > present:
                    back -= period
                right[0, h - 1] += (codes[present] == codes[present + h]).numpy()
                right[1, h - 1] += (codes[back] == codes[present + h]).numpy()
    assert np.array_equal(found.numpy(), right[1] > right[0])
    assert found.any() == (period > 1)


def test_the_best_copy_takes_each_position_from_where_it_was_chosen(numbered: Tensor) -> None:
    phase = torch.zeros(HORIZON, 7, 5, dtype=torch.bool)
    phase[:, 2, 3] = True
    best = BestCopy(phase, 4)
    guess = best(numbered, CONTEXT)
    assert torch.equal(guess[:, :, 2, 3], phase_copy(numbered, CONTEXT, 4)[:, :, 2, 3])
    assert torch.equal(guess[:, :, 0], copy(numbered, CONTEXT)[:, :, 0])
    assert torch.equal(best(numbered[:, : CONTEXT + 2], CONTEXT), guess[:, :2])


def test_no_copy_beats_the_best_one_where_it_was_chosen() -> None:
    episode = noisy_blinking(200, 0)
    best = fit_best_copy([episode], (7, 5), HORIZON, 4)
    windows = episode.unfold(0, CONTEXT + HORIZON, 1).movedim(-1, 1)
    target = windows[:, CONTEXT:]
    accuracy = [(guess == target).double().mean((0, 2, 3)) for guess in
                (best(windows, CONTEXT), copy(windows, CONTEXT), phase_copy(windows, CONTEXT, 4))]  # fmt: skip
    assert (accuracy[0] >= accuracy[1]).all()
    assert (accuracy[0] >= accuracy[2]).all()


def test_one_step_ahead_it_copies_the_real_grids() -> None:
    codes = torch.arange(12)[:, None, None].expand(-1, 7, 5)
    best = BestCopy(torch.zeros(1, 7, 5, dtype=torch.bool), 4)
    best.phase[0, 6, 4] = True
    guess = best.one_step(codes, 1)
    assert guess[:, 0, 0].tolist() == list(range(11))
    assert guess[:, 6, 4].tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7]
    assert torch.equal(best.one_step(codes, 5), guess[4:])


def test_the_first_grid_of_an_episode_has_nothing_to_copy() -> None:
    with pytest.raises(ValueError, match="the grid 0 of an episode has no grid before it"):
        BestCopy(torch.zeros(1, 7, 5, dtype=torch.bool), 4).one_step(torch.zeros(5, 7, 5), 0)
