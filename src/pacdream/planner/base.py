"""What a planner is given, and what it gives."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Plans = NDArray[np.int64]
Value = Callable[[Plans], NDArray[np.float64]]
"""From plans (B, P, T) of B rows to the value (B, P) of each. What it knows of the rows is bound to it: a planner meets
a dream, the emulator or a scripted world as this function and nothing else."""


class Planner(Protocol):
    """Searches the plan of highest value."""

    horizon: int
    """T: steps of a plan."""

    def plan(
        self, value: Value, num_actions: int, previous: Plans, rngs: Sequence[np.random.Generator]
    ) -> tuple[Plans, NDArray[np.float64]]:
        """The best plan of each of B rows.

        Args:
            value: of plans.
            num_actions: A: actions lie in [0, A).
            previous: (B, T) what remains of each row's last plan, and something after it: the first to be considered.
            rngs: B generators, so that what is drawn for a row depends on no other.

        Returns:
            Plans (B, T) and their values (B,).
        """


def best_of(plans: Plans, values: NDArray[np.float64]) -> tuple[Plans, NDArray[np.float64]]:
    """The best of P plans of each row, (B, T), and its value (B,); the first of several that are equally good."""
    best = values.argmax(1)
    rows = np.arange(len(plans))
    return plans[rows, best], values[rows, best]


def held(actions: Plans, holds: Plans, horizon: int) -> Plans:
    """A plan (horizon,) that holds each of ``actions`` (N,) for so many steps (N,).

    >>> held(np.array([3, 1, 2]), np.array([2, 1, 9]), horizon=5)
    array([3, 3, 1, 2, 2])
    """
    return np.repeat(actions, holds)[:horizon]


def draw_held(rng: np.random.Generator, num_actions: int, max_hold: int, horizon: int) -> Plans:
    """Random actions (horizon,), each held for 1 to ``max_hold`` steps."""
    return held(rng.integers(num_actions, size=horizon), rng.integers(1, max_hold + 1, horizon), horizon)
