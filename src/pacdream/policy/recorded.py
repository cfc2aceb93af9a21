"""What was done in recorded episodes, done again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions


class RecordedPolicy:
    """Repeats recorded actions, step by step."""

    name = "recorded"

    def __init__(self, actions: Actions | None = None) -> None:
        """``actions`` (B, T) of the rows; without them it can be configured, but not act."""
        self._recorded = actions

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``.

        Raises:
            ValueError: there are no recorded actions to repeat.
        """
        if self._recorded is None:
            raise ValueError(
                "policy=recorded repeats actions and has none here: choose random, held_random or lookahead"
            )
        self._step = 0

    def act(self, observation: Any) -> Actions:
        """The next action of each row."""
        assert self._recorded is not None
        self._step += 1
        return self._recorded[:, self._step - 1]
