import pytest
import torch
from torch import Tensor

from pacdream.rollout.sampler import Categorical, Greedy, Sampler

GRIDS, CODES = (6, 7, 5), 8


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(*GRIDS, CODES)


def many(logits: Tensor, count: int = 100_000) -> Tensor:
    """The same logits (K,) at many positions (1, count, K) of one row."""
    return logits.expand(1, count, -1)


def drawn(sampler: Sampler, logits: Tensor) -> Tensor:
    """Codes (B, ...) of the first step of rows that are numbered from 0."""
    return sampler.begin(range(len(logits)))(logits)


def shares(codes: Tensor) -> Tensor:
    return torch.bincount(codes.flatten(), minlength=CODES) / codes.numel()


def test_greedy_takes_the_likeliest_code(logits: Tensor) -> None:
    codes = drawn(Greedy(), logits)
    assert codes.shape == GRIDS
    assert torch.equal(logits.gather(-1, codes[..., None]).squeeze(-1), logits.amax(-1))


@pytest.mark.parametrize(("temperature", "top_k"), [(1e-4, None), (1.0, 1), (5.0, 1)])
def test_cold_or_cut_to_one_code_it_is_greedy(logits: Tensor, temperature: float, top_k: int | None) -> None:
    assert torch.equal(drawn(Categorical(temperature, top_k, seed=0), logits), drawn(Greedy(), logits))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(logits: Tensor, temperature: float) -> None:
    row = logits[0, 0, 0]
    share = shares(drawn(Categorical(temperature, None, seed=0), many(row)))
    torch.testing.assert_close(share, (row / temperature).softmax(-1), atol=0.01, rtol=0)


@pytest.mark.parametrize("top_k", [2, 3, CODES, CODES + 1])
def test_only_the_likeliest_codes_are_drawn_in_their_own_proportions(logits: Tensor, top_k: int) -> None:
    row = logits[0, 0, 0]
    probabilities = row.softmax(-1)
    probabilities[row.argsort(descending=True)[top_k:]] = 0
    share = shares(drawn(Categorical(1.0, top_k, seed=0), many(row)))
    torch.testing.assert_close(share, probabilities / probabilities.sum(), atol=0.01, rtol=0)
    assert not share[probabilities == 0].any()


def test_each_position_is_drawn_from_its_own_logits() -> None:
    wanted = torch.randint(CODES, GRIDS)
    logits = 100 * torch.nn.functional.one_hot(wanted, CODES).float()
    assert torch.equal(drawn(Categorical(1.0, None, seed=0), logits), wanted)


def test_equal_seeds_draw_equal_codes(logits: Tensor) -> None:
    first, second = (Categorical(1.0, None, seed=3).begin(range(len(logits))) for _ in range(2))
    for _ in range(2):
        assert torch.equal(first(logits), second(logits))


def test_other_seeds_draw_other_codes(logits: Tensor) -> None:
    assert not torch.equal(drawn(Categorical(1.0, None, seed=3), logits), drawn(Categorical(1.0, None, seed=4), logits))


def test_draws_go_on_and_leave_the_global_stream_alone(logits: Tensor) -> None:
    sample, before = Categorical(1.0, None, seed=0).begin(range(len(logits))), torch.get_rng_state()
    assert not torch.equal(sample(logits), sample(logits))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_a_row_draws_depends_on_its_number_alone(logits: Tensor) -> None:
    sampler = Categorical(1.0, None, seed=0)
    together = drawn(sampler, logits)
    for row in (0, 3, 5):
        assert torch.equal(sampler.begin([row])(logits[row : row + 1])[0], together[row])
    same = logits[:1].expand_as(logits)
    assert len({tuple(codes.flatten().tolist()) for codes in drawn(sampler, same)}) == len(same)


def test_half_precision_logits_are_drawn_from_in_full_precision(logits: Tensor) -> None:
    rounded = many(logits[0, 0, 0].bfloat16())
    assert torch.equal(
        drawn(Categorical(0.7, None, seed=0), rounded), drawn(Categorical(0.7, None, seed=0), rounded.float())
    )


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"sampler.temperature={temperature} must be above 0"):
        Categorical(temperature, None, seed=0)


@pytest.mark.parametrize("top_k", [0, -1])
def test_no_code_to_draw_from_is_refused(top_k: int) -> None:
    with pytest.raises(ValueError, match=f"sampler.top_k={top_k} must be at least 1"):
        Categorical(1.0, top_k, seed=0)
