"""What collection asks of whoever plays."""

from typing import Protocol

import numpy as np

from pacdream.game.atari import PaletteFrames


class Policy(Protocol):
    """Chooses actions; all of its randomness comes from the generator it is given at ``reset``."""

    name: str
    """Who is playing this episode, for the manifest."""

    def reset(self, env: PaletteFrames, rng: np.random.Generator) -> None:
        """Begin an episode of ``env``."""

    def act(self, env: PaletteFrames) -> int:
        """Return an action index in [0, env.num_actions) and leave the game as it was."""
