import math
from itertools import product

import pytest
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassCalibrationError

from pacdream.metric.likelihood import BINS, CalibrationScore, LikelihoodScore, bits_per_frame

BATCH, GRID, CODES = 12, (7, 5), 8
EPISODE = torch.arange(BATCH) % 3


@pytest.fixture
def target() -> Tensor:
    return torch.randint(CODES, (BATCH, *GRID))


@pytest.fixture
def logits() -> Tensor:
    return 2 * torch.randn(BATCH, *GRID, CODES)


def bits_of(logits: Tensor, target: Tensor) -> Tensor:
    """Bits of grids whose positions are independent."""
    return bits_per_frame(logits.log_softmax(-1).gather(-1, target[..., None]).squeeze(-1))


def calibration(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    score = CalibrationScore(3)
    score.update(logits, target, EPISODE)
    return score.compute()


@pytest.mark.parametrize(("codes", "bits"), [(256, 280), (16, 140), (1, 0)])
def test_a_uniform_guess_costs_8_bits_for_one_of_256_codes(codes: int, bits: float) -> None:
    target = torch.randint(codes, (4, *GRID))
    torch.testing.assert_close(bits_of(torch.zeros(4, *GRID, codes), target), torch.full((4,), float(bits)))


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_bits_equal_a_naive_loop(leading: tuple[int, ...]) -> None:
    logits, target = torch.randn(*leading, *GRID, CODES), torch.randint(CODES, (*leading, *GRID))
    bits = bits_of(logits, target)
    assert bits.shape == leading
    for index in product(*map(range, leading)):
        expected = 0.0
        for row, code in zip(logits[index].flatten(0, 1).tolist(), target[index].flatten().tolist(), strict=True):
            expected -= math.log2(math.exp(row[code]) / sum(map(math.exp, row)))
        assert float(bits[index]) == pytest.approx(expected, rel=1e-4)


def test_the_more_likely_what_happens_the_fewer_bits(logits: Tensor, target: Tensor) -> None:
    surer = logits + torch.nn.functional.one_hot(target, CODES)
    assert (bits_of(surer, target) < bits_of(logits, target)).all()


def test_bits_of_each_horizon_are_the_mean_over_windows() -> None:
    bits, score = torch.rand(BATCH, 4), LikelihoodScore(3, 4)
    for rows in torch.arange(BATCH).split(5):
        score.update(bits[rows], EPISODE[rows])
    torch.testing.assert_close(score.compute()["bits_per_frame"], bits.mean(0).double())
    assert score.figures(score.sums.sum(0))["bits_per_frame"].n.tolist() == [BATCH] * 4


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 5.0])
def test_calibration_error_is_that_of_torchmetrics(logits: Tensor, target: Tensor, sharpness: float) -> None:
    reference = MulticlassCalibrationError(CODES, n_bins=BINS, norm="l1")
    probabilities = (sharpness * logits).softmax(-1)
    reference.update(probabilities.flatten(0, -2), target.flatten())
    assert float(calibration(sharpness * logits, target)["ece"]) == pytest.approx(float(reference.compute()), abs=1e-6)


@pytest.mark.parametrize(("right", "error"), [(1.0, 0.0), (0.0, 1.0)])
def test_the_error_of_a_certain_model_is_its_share_of_wrong_codes(target: Tensor, right: float, error: float) -> None:
    claimed = target if right else (target + 1) % CODES
    figures = calibration(100 * torch.nn.functional.one_hot(claimed, CODES).float(), target)
    assert float(figures["ece"]) == error
    assert figures["right"].isnan().tolist() == [True] * (BINS - 1) + [False]
    assert (figures["confidence"][-1], figures["right"][-1]) == (1, right)


def test_a_guess_that_knows_how_unsure_it_is_has_no_error() -> None:
    halves = torch.arange(BATCH * math.prod(GRID)).view(BATCH, *GRID) % 2
    assert float(calibration(torch.zeros(BATCH, *GRID, 2), halves)["ece"]) == pytest.approx(0)


def test_every_bin_holds_the_confidences_of_its_range(logits: Tensor, target: Tensor) -> None:
    mean = calibration(logits, target)["confidence"]
    filled = ~mean.isnan()
    assert filled.sum() > BINS / 2
    assert torch.equal((mean * BINS).floor()[filled], torch.arange(BINS)[filled].double())


def test_the_diagram_equals_a_naive_loop(logits: Tensor, target: Tensor) -> None:
    figures = calibration(logits, target)
    found: list[list[float]] = [[] for _ in range(BINS)]
    for row, code in zip(logits.softmax(-1).flatten(0, -2).tolist(), target.flatten().tolist(), strict=True):
        found[min(int(max(row) * BINS), BINS - 1)].append(float(row.index(max(row)) == code))
    for share, hits in zip(figures["right"].tolist(), found, strict=True):
        assert share == pytest.approx(sum(hits) / len(hits) if hits else math.nan, nan_ok=True)
