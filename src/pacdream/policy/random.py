"""Uniformly random actions."""

import numpy as np

from pacdream.game.atari import PaletteFrames


class RandomPolicy:
    """Draws every action independently: it trembles on the spot and explores little."""

    name = "random"

    def reset(self, env: PaletteFrames, rng: np.random.Generator) -> None:
        """Begin an episode."""
        self._rng = rng

    def act(self, env: PaletteFrames) -> int:
        """Draw an action."""
        return int(self._rng.integers(env.num_actions))
