import numpy as np
import pytest
import torch
from pacdream.metric.baselines import copy, phase_copy, unigram
from torch import Tensor

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
