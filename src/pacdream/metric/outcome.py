"""How well points, lost lives and ends are foretold."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, correlation, ratio

BINS, COARSE = 240, 15
"""Bins of the foretold chance: fine ones to rank by, and as many as any calibration error here has."""


def event_counts(chance: Tensor, happened: Tensor) -> Tensor:
    """Counts (..., BINS, 3) by the foretold chance (...): steps, their chances, those in which it happened.

    The bins are of equal width in the square root, so that rare events are told apart.
    """
    bins = (chance.clamp(0, 1).sqrt() * BINS).long().clamp(max=BINS - 1)
    values = torch.stack([torch.ones_like(chance), chance, happened.to(chance.dtype)], -1)
    return F.one_hot(bins, BINS).to(chance.dtype)[..., None] * values[..., None, :]


def average_precision(steps: Tensor, happened: Tensor) -> Tensor:
    """Average precision (...) of counts (..., BINS) by ascending chance; NaN where nothing ever happened.

    >>> average_precision(torch.tensor([8.0, 2.0]), torch.tensor([1.0, 1.0]))  # 1 in 2, then 1 in 5
    tensor(0.3500)
    """
    found = happened.flip(-1).cumsum(-1)
    precision = found / steps.flip(-1).cumsum(-1).clamp(min=1e-12)
    total = found[..., -1:]
    area = (precision * happened.flip(-1)).sum(-1) / total[..., 0].clamp(min=1e-12)
    return torch.where(total[..., 0] > 0, area, torch.nan)


class EventScore(EpisodeMetric):
    """Average precision, base rate and calibration of a foretold event, for each of ``shape``, e.g. horizons."""

    def __init__(self, num_episodes: int, *shape: int) -> None:
        super().__init__(num_episodes, (*shape, BINS, 3))

    def update(self, chance: Tensor, happened: Tensor, episode: Tensor) -> None:
        """Add foretold chances (B, *shape) and whether it happened, (B, *shape) bool."""
        self.add(event_counts(chance.double().cpu(), happened.cpu()), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """``ap``, ``base_rate`` and ``ece``."""
        steps, chance, happened = sums.unbind(-1)
        total = steps.sum(-1)
        # Few steps fall into a fine bin: their noise would pass for a want of calibration.
        gap = (chance - happened).unflatten(-1, (COARSE, -1)).sum(-1).abs()
        return {
            "ap": Estimate(average_precision(steps, happened), happened.sum(-1)),
            "base_rate": ratio(happened.sum(-1), total),
            "ece": ratio(gap.sum(-1), total),
        }


class ReturnScore(EpisodeMetric):
    """Foretold against real points, added up over the first steps, for each of T horizons: what planning lives on."""

    def __init__(self, num_episodes: int, horizon: int) -> None:
        super().__init__(num_episodes, (horizon, 6))

    def update(self, expected: Tensor, real: Tensor, episode: Tensor) -> None:
        """Add expected and real points (B, T) of each step."""
        x, y = expected.double().cpu().cumsum(1), real.double().cpu().cumsum(1)
        self.add(torch.stack([torch.ones_like(x), x, y, x**2, y**2, x * y], -1), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Pearson's correlation, and the mean of both."""
        count, x, y, xx, yy, xy = sums.unbind(-1)
        return {
            "return_correlation": Estimate(correlation(count, x, y, xx, yy, xy), count),
            "return_expected": ratio(x, count),
            "return_real": ratio(y, count),
        }
