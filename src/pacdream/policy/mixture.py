"""Several players, one per episode."""

from collections.abc import Mapping

import numpy as np

from pacdream.game.atari import PaletteFrames
from pacdream.policy.base import Policy


class MixturePolicy:
    """Hands each episode to one of its policies, drawn by weight."""

    def __init__(self, policies: Mapping[str, Policy], weights: Mapping[str, float]) -> None:
        """``policies`` and ``weights`` share their keys; weights are relative and not negative."""
        if set(policies) != set(weights) or min(weights.values()) < 0 or not sum(weights.values()):
            raise ValueError(f"policy.weights={dict(weights)} must give a weight >= 0 to each of {sorted(policies)}")
        self._policies = list(policies.values())
        total = sum(weights.values())
        self._probabilities = [weights[name] / total for name in policies]
        self._current = self._policies[0]

    @property
    def name(self) -> str:
        """The name of the policy that plays this episode."""
        return self._current.name

    def reset(self, env: PaletteFrames, rng: np.random.Generator) -> None:
        """Begin an episode and draw who plays it."""
        self._current = self._policies[rng.choice(len(self._policies), p=self._probabilities)]
        self._current.reset(env, rng)

    def act(self, env: PaletteFrames) -> int:
        """Let the drawn policy choose."""
        return self._current.act(env)
