"""Random actions, each held for a while."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions


class HeldRandomPolicy:
    """Draws an action and holds it for 1 to ``max_hold`` steps, so that the player gets somewhere."""

    name = "held_random"

    def __init__(self, max_hold: int) -> None:
        """``max_hold``: longest hold in steps, at least 1."""
        if max_hold < 1:
            raise ValueError(f"policy.max_hold={max_hold} must be at least 1")
        self.max_hold = max_hold

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``."""
        self._count, self._rngs = len(action_names), rngs
        self._actions, self._left = np.zeros((2, len(rngs)), np.int64)

    def act(self, observation: Any) -> Actions:
        """Go on with the held action, or draw another, in each row."""
        for row in np.flatnonzero(self._left == 0).tolist():
            self._actions[row] = self._rngs[row].integers(self._count)
            self._left[row] = self._rngs[row].integers(1, self.max_hold + 1)
        self._left -= 1
        return self._actions.copy()
