"""Random actions, each held for a while."""

import numpy as np

from pacdream.game.atari import PaletteFrames


class HeldRandomPolicy:
    """Draws an action and holds it for 1 to ``max_hold`` steps, so that the player gets somewhere."""

    name = "held_random"

    def __init__(self, max_hold: int) -> None:
        """``max_hold``: longest hold in steps, at least 1."""
        if max_hold < 1:
            raise ValueError(f"policy.max_hold={max_hold} must be at least 1")
        self.max_hold = max_hold

    def reset(self, env: PaletteFrames, rng: np.random.Generator) -> None:
        """Begin an episode."""
        self._rng, self._left, self._action = rng, 0, 0

    def act(self, env: PaletteFrames) -> int:
        """Go on with the held action, or draw another."""
        if self._left == 0:
            self._action = int(self._rng.integers(env.num_actions))
            self._left = int(self._rng.integers(1, self.max_hold + 1))
        self._left -= 1
        return self._action
