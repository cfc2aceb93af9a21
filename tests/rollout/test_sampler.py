import pytest
import torch
from torch import Tensor

from pacdream.rollout.sampler import Categorical, Greedy

GRIDS, CODES = (6, 7, 5), 8


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(*GRIDS, CODES)


def many(logits: Tensor, count: int = 100_000) -> Tensor:
    """The same logits (K,) again and again."""
    return logits.expand(count, -1)


def shares(codes: Tensor) -> Tensor:
    return torch.bincount(codes, minlength=CODES) / len(codes)


def test_greedy_takes_the_likeliest_code(logits: Tensor) -> None:
    codes = Greedy()(logits)
    assert codes.shape == GRIDS
    assert torch.equal(logits.gather(-1, codes[..., None]).squeeze(-1), logits.amax(-1))


@pytest.mark.parametrize(("temperature", "top_k"), [(1e-4, None), (1.0, 1), (5.0, 1)])
def test_cold_or_cut_to_one_code_it_is_greedy(logits: Tensor, temperature: float, top_k: int | None) -> None:
    assert torch.equal(Categorical(temperature, top_k, seed=0)(logits), Greedy()(logits))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(logits: Tensor, temperature: float) -> None:
    row = logits[0, 0, 0]
    drawn = shares(Categorical(temperature, None, seed=0)(many(row)))
    torch.testing.assert_close(drawn, (row / temperature).softmax(-1), atol=0.01, rtol=0)


@pytest.mark.parametrize("top_k", [2, 3, CODES, CODES + 1])
def test_only_the_likeliest_codes_are_drawn_in_their_own_proportions(logits: Tensor, top_k: int) -> None:
    row = logits[0, 0, 0]
    probabilities = row.softmax(-1)
    probabilities[row.argsort(descending=True)[top_k:]] = 0
    drawn = shares(Categorical(1.0, top_k, seed=0)(many(row)))
    torch.testing.assert_close(drawn, probabilities / probabilities.sum(), atol=0.01, rtol=0)
    assert not drawn[probabilities == 0].any()


def test_each_position_is_drawn_from_its_own_logits() -> None:
    wanted = torch.randint(CODES, GRIDS)
    logits = 100 * torch.nn.functional.one_hot(wanted, CODES).float()
    assert torch.equal(Categorical(1.0, None, seed=0)(logits), wanted)


def test_equal_seeds_draw_equal_codes(logits: Tensor) -> None:
    first, second = Categorical(1.0, None, seed=3), Categorical(1.0, None, seed=3)
    for _ in range(2):
        assert torch.equal(first(logits), second(logits))


def test_other_seeds_draw_other_codes(logits: Tensor) -> None:
    assert not torch.equal(Categorical(1.0, None, seed=3)(logits), Categorical(1.0, None, seed=4)(logits))


def test_draws_go_on_and_leave_the_global_stream_alone(logits: Tensor) -> None:
    sample, before = Categorical(1.0, None, seed=0), torch.get_rng_state()
    assert not torch.equal(sample(logits), sample(logits))
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_logits_are_drawn_from_in_full_precision(logits: Tensor) -> None:
    rounded = many(logits[0, 0, 0].bfloat16())
    assert torch.equal(Categorical(0.7, None, seed=0)(rounded), Categorical(0.7, None, seed=0)(rounded.float()))


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"sampler.temperature={temperature} must be above 0"):
        Categorical(temperature, None, seed=0)


@pytest.mark.parametrize("top_k", [0, -1])
def test_no_code_to_draw_from_is_refused(top_k: int) -> None:
    with pytest.raises(ValueError, match=f"sampler.top_k={top_k} must be at least 1"):
        Categorical(1.0, top_k, seed=0)
