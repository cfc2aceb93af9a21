"""Several players, one per episode."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions, Policy


class MixturePolicy:
    """Hands each row to one of its policies, drawn by weight."""

    def __init__(self, policies: Mapping[str, Policy], weights: Mapping[str, float]) -> None:
        """``policies`` and ``weights`` share their keys; weights are relative and not negative."""
        if set(policies) != set(weights) or min(weights.values()) < 0 or not sum(weights.values()):
            raise ValueError(f"policy.weights={dict(weights)} must give a weight >= 0 to each of {sorted(policies)}")
        self._policies = list(policies.values())
        total = sum(weights.values())
        self._probabilities = [weights[name] / total for name in policies]
        self._rows: list[Any] = []

    @property
    def name(self) -> str:
        """The name of the policy that acts in all rows, or of all that act."""
        return "+".join(policy.name for policy, rows in zip(self._policies, self._rows, strict=True) if len(rows))

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """Draw who acts in each row; see ``Policy``."""
        drawn = np.array([rng.choice(len(self._policies), p=self._probabilities) for rng in rngs])
        self._rows = [np.flatnonzero(drawn == number) for number in range(len(self._policies))]
        for policy, rows in zip(self._policies, self._rows, strict=True):
            policy.begin(action_names, [rngs[row] for row in rows], games and [games[row] for row in rows])

    def act(self, observation: Any) -> Actions:
        """Let the drawn policies choose."""
        actions = np.zeros(len(observation), np.int64)
        for policy, rows in zip(self._policies, self._rows, strict=True):
            if len(rows):
                actions[rows] = policy.act(observation[rows])
        return actions
