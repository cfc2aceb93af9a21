"""The cross-entropy method over held actions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pacdream.core.limits import Positive, Share
from pacdream.planner.base import Plans, Value, best_of


class CrossEntropyMethod:
    """Draws plans, and draws again where the best of them agree (Rubinstein, 1999).

    A plan is a few actions, each held for ``hold`` steps. Their probabilities, one distribution for each, begin even
    and move towards those of the elites. The best plan ever seen is followed.
    """

    def __init__(
        self, num_futures: Positive, horizon: Positive, hold: Positive, iterations: Positive, elites: Positive,
        learning_rate: Share,
    ) -> None:  # fmt: skip
        """Configure.

        Args:
            num_futures: plans compared in each iteration.
            horizon: steps of a plan.
            hold: steps for which an action is held.
            iterations: how often plans are drawn.
            elites: best plans of an iteration that the next learns from.
            learning_rate: weight of the elites against the probabilities before.

        Raises:
            ValueError: more elites than plans.
        """
        if elites > num_futures:
            raise ValueError(f"elites={elites} must not exceed num_futures={num_futures}")
        self.num_futures, self.horizon, self.hold = num_futures, horizon, hold
        self.iterations, self.elites, self.learning_rate = iterations, elites, learning_rate

    def plan(
        self, value: Value, num_actions: int, previous: Plans, rngs: Sequence[np.random.Generator]
    ) -> tuple[Plans, NDArray[np.float64]]:
        """See ``Planner``."""
        count = -(-self.horizon // self.hold)
        chances = np.full((len(previous), count, num_actions), 1 / num_actions)
        best = previous
        for iteration in range(self.iterations):
            drawn = np.stack([self._draw(each, rng) for each, rng in zip(chances, rngs, strict=True)])  # (B, P - 1, N)
            plans = np.concatenate([best[:, None], np.repeat(drawn, self.hold, 2)[..., : self.horizon]], 1)
            values = value(plans)
            best, worth = best_of(plans, values)
            if iteration + 1 < self.iterations:
                elite = np.argsort(-values, 1, kind="stable")[:, : self.elites]
                chosen = np.take_along_axis(plans[..., :: self.hold], elite[..., None], 1)  # (B, elites, N)
                shares = (chosen[..., None] == np.arange(num_actions)).mean(1)
                chances = (1 - self.learning_rate) * chances + self.learning_rate * shares
        return best, worth

    def _draw(self, chances: NDArray[np.float64], rng: np.random.Generator) -> Plans:
        """Actions (P - 1, N) of one row, by their chances (N, A)."""
        reached = rng.random((self.num_futures - 1, len(chances), 1))
        return np.minimum((reached > chances.cumsum(1)).sum(-1), chances.shape[1] - 1)
