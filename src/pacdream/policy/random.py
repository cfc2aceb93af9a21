"""Uniformly random actions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions


class RandomPolicy:
    """Draws every action independently: it trembles on the spot and explores little."""

    name = "random"

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``."""
        self._count, self._rngs = len(action_names), rngs

    def act(self, observation: Any) -> Actions:
        """Draw an action for each row."""
        return np.array([rng.integers(self._count) for rng in self._rngs], np.int64)
