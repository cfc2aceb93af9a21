"""One action for ever."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions


class HeldPolicy:
    """Holds one action from the first step to the last.

    >>> from pacdream.policy.base import generators
    >>> policy = HeldPolicy("LEFT")
    >>> policy.begin(["NOOP", "UP", "LEFT"], generators(seed=0, count=2))
    >>> policy.act(observation=None).tolist()  # it looks at nothing
    [2, 2]
    """

    name = "held"

    def __init__(self, action: str) -> None:
        """``action`` is one of the game's names, e.g. ``UP``."""
        self.action = action

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``.

        Raises:
            ValueError: the game has no such action.
        """
        if self.action not in action_names:
            raise ValueError(
                f"policy.action={self.action!r} is none of the game's actions: choose one of {', '.join(action_names)}"
            )
        self._actions = np.full(len(rngs), list(action_names).index(self.action))

    def act(self, observation: Any) -> Actions:
        """The same as ever."""
        return self._actions
