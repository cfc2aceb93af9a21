"""From logits to codes."""

import torch
from torch import Tensor


class Greedy:
    """Always the most likely code."""

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (..., K) to codes (...)."""
        return logits.argmax(-1)


class Categorical:
    """Draws each code from the model's own distribution, sharpened or cut if wanted.

    There is one stream of draws: what a dream draws depends on the seed, and on the dreams drawn before and beside it.
    """

    def __init__(self, temperature: float, top_k: int | None, seed: int) -> None:
        """Configure.

        Args:
            temperature: divides the logits; below 1 is bolder, above 1 more varied.
            top_k: draw only among so many most likely codes; none for all.
            seed: of the draws.

        Raises:
            ValueError: a temperature that is not positive, or fewer than one code to draw from.
        """
        if not temperature > 0:
            raise ValueError(f"sampler.temperature={temperature} must be above 0 (sampler=greedy takes the likeliest)")
        if top_k is not None and top_k < 1:
            raise ValueError(f"sampler.top_k={top_k} must be at least 1, or null for all codes")
        self.temperature, self.top_k, self.seed = temperature, top_k, seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (..., K) to codes (...)."""
        logits = logits.float() / self.temperature
        if self.top_k is not None:
            values, codes = logits.topk(min(self.top_k, logits.shape[-1]))
            logits = torch.full_like(logits, -torch.inf).scatter(-1, codes, values)
        rows = logits.softmax(-1).reshape(-1, logits.shape[-1])
        draws = torch.multinomial(rows, 1, generator=self._generator(logits.device))
        return draws.view(logits.shape[:-1])

    def _generator(self, device: torch.device) -> torch.Generator:
        """One stream of draws per device, begun at the seed."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[device]
