"""Figures with confidence intervals: sums kept apart by episode, and episodes drawn again and again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import Metric


@dataclass(frozen=True)
class Estimate:
    """A figure and what it was measured on, both of the same shape."""

    value: Tensor
    n: Tensor
    """Codes, frames, dreams or whatever the figure is a share of."""


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % confidence interval over episodes; all tensors have the shape of the figure."""

    value: Tensor
    low: Tensor
    high: Tensor
    n: Tensor
    samples: Tensor
    """(R, ...) the figure of each resampled set of episodes."""


class EpisodeMetric(Metric, ABC):
    """A metric that keeps one row of sums for each episode.

    ``figures`` turns sums into figures and is pure, so that it also serves resampled sums. Sums stay on the CPU in
    double precision, whatever device the world model is on.
    """

    sums: Tensor

    def __init__(self, num_episodes: int, shape: tuple[int, ...]) -> None:
        """``shape`` is that of one episode's sums."""
        super().__init__(sync_on_compute=False)  # one process measures all of the data
        self.add_state("sums", torch.zeros(num_episodes, *shape, dtype=torch.float64), "sum")

    def add(self, counts: Tensor, episode: Tensor) -> None:
        """Add counts (B, ...) to the rows ``episode`` (B,)."""
        self.sums.index_add_(0, episode.cpu(), counts.detach().cpu().double())

    @abstractmethod
    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Figures of sums (..., *shape), which may have leading axes."""

    def compute(self) -> dict[str, Tensor]:
        """The figures over all episodes."""
        return {name: estimate.value for name, estimate in self.figures(self.sums.sum(0)).items()}

    def with_intervals(self, draws: Tensor) -> dict[str, Figure]:
        """The figures with intervals; ``draws`` (R, E) says how often each episode is in each resampled set.

        One episode says nothing about how much episodes differ: where a figure rests on one, its interval is NaN.
        """
        by_episode, resampled = self.figures(self.sums), self.figures(torch.tensordot(draws, self.sums, 1))
        figures = {}
        for name, estimate in self.figures(self.sums.sum(0)).items():
            alone = (by_episode[name].n > 0).sum(0) < 2
            figures[name] = figure_of(estimate, resampled[name].value.masked_fill(alone, torch.nan))
        return figures


def draw_episodes(num_episodes: int, resamples: int, seed: int) -> Tensor:
    """How often each of E episodes is in each of R sets of E drawn with replacement, (R, E) float64.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979; episodes are the independent unit.

    >>> draws = draw_episodes(num_episodes=3, resamples=2, seed=0)
    >>> draws.shape, draws.sum(1)
    (torch.Size([2, 3]), tensor([3., 3.], dtype=torch.float64))
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(num_episodes, (resamples, num_episodes), generator=generator)
    once = torch.ones(drawn.shape, dtype=torch.float64)
    return torch.zeros_like(once).scatter_add_(1, drawn, once)


def ratio(part: Tensor, whole: Tensor) -> Estimate:
    """``part / whole``, NaN where there is nothing to divide by.

    >>> ratio(torch.tensor([3.0, 0.0]), torch.tensor([4.0, 0.0])).value
    tensor([0.7500,    nan])
    """
    return Estimate(torch.where(whole > 0, part / whole.clamp(min=1e-12), torch.nan), whole)


def correlation(count: Tensor, x: Tensor, y: Tensor, xx: Tensor, yy: Tensor, xy: Tensor) -> Tensor:
    """Pearson's correlation (...) from sums; 0 if ``x`` is always the same, NaN if ``y`` is."""
    spread = ((count * xx - x**2).clamp(min=0) * (count * yy - y**2).clamp(min=0)).sqrt()
    found = torch.where(spread > 0, (count * xy - x * y) / spread.clamp(min=1e-12), 0.0)
    return torch.where((count > 0) & (count * yy > y**2), found, torch.nan)


def prefixed(prefix: str, figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """The same figures under ``prefix/``."""
    return {f"{prefix}/{name}": figure for name, figure in figures.items()}


def figure_of(estimate: Estimate, samples: Tensor) -> Figure:
    """An estimate with the interval of its samples (R, ...)."""
    low, high = torch.nanquantile(samples, torch.tensor([0.025, 0.975], dtype=samples.dtype), dim=0)
    return Figure(estimate.value, low, high, estimate.n, samples)
