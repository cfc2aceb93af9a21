"""Who acts, in the real game and in rollouts."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pacdream.game.palette_frames import PaletteFrames

Actions = NDArray[np.int64]


class Policy(Protocol):
    """Chooses the actions of B rows, each an episode of the game or an imagined future.

    Each row draws from a generator of its own, so that what it does depends on no other row.
    """

    @property
    def name(self) -> str:
        """Who is acting, for the manifest."""

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """Begin B rows.

        Args:
            action_names: of the game; an action is an index into them.
            rngs: B generators.
            games: the B games that are played; none in a rollout.

        Raises:
            ValueError: the policy cannot act here.
        """

    def act(self, observation: Any) -> Actions:
        """The action of each row, (B,), on seeing (B, ...) frames of the game or codes of a rollout.

        The games are left as they were.
        """


def generators(seed: int, count: int) -> list[np.random.Generator]:
    """A generator for each of ``count`` rows; that of a row depends on its number only, not on how many there are."""
    return [np.random.default_rng([seed, row]) for row in range(count)]
