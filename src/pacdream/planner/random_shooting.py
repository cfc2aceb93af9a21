"""Draw plans, take the best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pacdream.core.limits import Positive
from pacdream.planner.base import Plans, Value, best_of, draw_held


class RandomShooting:
    """The best of the last plan's remainder, of holding each action, and of random held actions."""

    def __init__(self, num_futures: Positive, horizon: Positive, max_hold: Positive) -> None:
        """``num_futures`` plans of ``horizon`` steps are compared; a random action is held for up to ``max_hold``."""
        self.num_futures, self.horizon, self.max_hold = num_futures, horizon, max_hold

    def plan(
        self, value: Value, num_actions: int, previous: Plans, rngs: Sequence[np.random.Generator]
    ) -> tuple[Plans, NDArray[np.float64]]:
        """See ``Planner``."""
        kept = np.repeat(np.arange(num_actions)[:, None], self.horizon, 1)
        plans = np.stack(
            [self._futures(past, kept, num_actions, rng) for past, rng in zip(previous, rngs, strict=True)]
        )
        return best_of(plans, value(plans))

    def _futures(self, previous: Plans, kept: Plans, num_actions: int, rng: np.random.Generator) -> Plans:
        """Plans (P, T) of one row."""
        drawn = max(0, self.num_futures - 1 - len(kept))
        if len(kept) > self.num_futures - 1:  # no room for all: let each have its chance
            kept = rng.permutation(kept)
        random = [draw_held(rng, num_actions, self.max_hold, self.horizon) for _ in range(drawn)]
        return np.stack([previous, *kept, *random])[: self.num_futures]
