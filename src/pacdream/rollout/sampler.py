"""From logits to codes, with a generator for each rollout: what one draws does not depend on the batch it is in."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pacdream.world_model.base import Sample, likeliest


class Sampler(Protocol):
    """How codes are made of logits."""

    def begin(self, rows: Iterable[int]) -> Sample:
        """Begin the rollouts of these numbers: returns what makes codes (B, ...) of logits (B, ..., K)."""

    def drawing_with(self, generators: Sequence[torch.Generator]) -> Sample:
        """The same for B rollouts that bring generators of their own; who replaces one in the list begins anew."""


class Greedy:
    """Always the most likely code."""

    def begin(self, rows: Iterable[int]) -> Sample:
        """See ``Sampler``."""
        return likeliest

    def drawing_with(self, generators: Sequence[torch.Generator]) -> Sample:
        """See ``Sampler``."""
        return likeliest


class Categorical:
    """Draws each code from the model's own distribution, sharpened or cut if wanted.

    >>> logits = torch.zeros(2, 7, 5, 256)
    >>> both = Categorical(temperature=1.0, top_k=None, seed=0).begin([0, 1])(logits)
    >>> alone = Categorical(temperature=1.0, top_k=None, seed=0).begin([1])(logits[1:])
    >>> torch.equal(both[1:], alone)  # what a rollout draws does not depend on the others
    True
    """

    def __init__(self, temperature: float, top_k: int | None, seed: int) -> None:
        """Configure.

        Args:
            temperature: divides the logits; below 1 is bolder, above 1 more varied.
            top_k: draw only among so many most likely codes; none for all.
            seed: decides, with its number, what each rollout draws.

        Raises:
            ValueError: a temperature that is not positive, or fewer than one code to draw from.
        """
        if not temperature > 0:
            raise ValueError(f"sampler.temperature={temperature} must be above 0 (sampler=greedy takes the likeliest)")
        if top_k is not None and top_k < 1:
            raise ValueError(f"sampler.top_k={top_k} must be at least 1, or null for all codes")
        self.temperature, self.top_k, self.seed = temperature, top_k, seed

    def begin(self, rows: Iterable[int]) -> Sample:
        """See ``Sampler``."""
        return self.drawing_with(row_generators(self.seed, rows))

    def drawing_with(self, generators: Sequence[torch.Generator]) -> Sample:
        """See ``Sampler``."""

        def sample(logits: Tensor) -> Tensor:
            uniform = torch.stack([torch.rand(logits.shape[1:-1], generator=g, dtype=torch.double) for g in generators])
            device = "cpu" if logits.device.type == "mps" else logits.device  # Apple's GPUs know no double precision
            return self._draw(logits.to(device), uniform.to(device)).to(logits.device)

        return sample

    def _draw(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """Codes (...) of logits (..., K): where the cumulative distribution exceeds numbers (...) in [0, 1)."""
        logits = logits.double() / self.temperature
        if self.top_k is not None:
            values, codes = logits.topk(min(self.top_k, logits.shape[-1]))
            logits = torch.full_like(logits, -torch.inf).scatter(-1, codes, values)
        cumulative = logits.softmax(-1).cumsum(-1)
        reached = uniform[..., None] * cumulative[..., -1:]
        return torch.searchsorted(cumulative, reached, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)


def row_generators(seed: int, rows: Iterable[int]) -> list[torch.Generator]:
    """One generator for each row number, which depends on it and the seed only."""
    seeds = (int(np.random.SeedSequence([seed, row]).generate_state(1, np.uint64)[0]) for row in rows)
    return [torch.Generator().manual_seed(number >> 1) for number in seeds]
