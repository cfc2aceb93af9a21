"""Who chooses the actions in a dream: all that an actor sees is codes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Actor = Callable[[Tensor], Tensor]
"""Present grids (B, h, w) to actions (B,) int64. Called once for every imagined step."""


class RandomActor:
    """Draws every action uniformly."""

    def __init__(self, action_names: Sequence[str], seed: int) -> None:
        """``action_names`` of the game; ``seed`` of the draws."""
        self._count = len(action_names)
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, codes: Tensor) -> Tensor:
        """See ``Actor``."""
        return self._draw(len(codes), self._count).to(codes.device)

    def _draw(self, batch: int, count: int) -> Tensor:
        return torch.randint(count, (batch,), generator=self._generator)


class HeldRandomActor(RandomActor):
    """Draws an action and holds it for 1 to ``max_hold`` steps, each dream for itself."""

    def __init__(self, action_names: Sequence[str], seed: int, max_hold: int) -> None:
        """``max_hold``: longest hold in steps, at least 1."""
        super().__init__(action_names, seed)
        if max_hold < 1:
            raise ValueError(f"actor.max_hold={max_hold} must be at least 1")
        self._max_hold = max_hold
        self._actions = self._left = torch.zeros(0, dtype=torch.int64)

    def __call__(self, codes: Tensor) -> Tensor:
        """See ``Actor``."""
        if len(self._left) != len(codes):
            self._actions = self._left = torch.zeros(len(codes), dtype=torch.int64)
        again = self._left == 0
        self._actions = torch.where(again, self._draw(len(codes), self._count), self._actions)
        self._left = torch.where(again, self._draw(len(codes), self._max_hold) + 1, self._left) - 1
        return self._actions.to(codes.device)


class HeldActor:
    """Holds one action for ever."""

    def __init__(self, action_names: Sequence[str], action: str) -> None:
        """``action`` is one of the game's names.

        Raises:
            ValueError: the game has no such action.
        """
        if action not in action_names:
            raise ValueError(f"actor.action={action!r} is none of the game's actions: {', '.join(action_names)}")
        self._action = list(action_names).index(action)

    def __call__(self, codes: Tensor) -> Tensor:
        """See ``Actor``."""
        return torch.full((len(codes),), self._action, device=codes.device)
