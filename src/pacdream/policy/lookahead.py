"""Planning with the emulator itself."""

import ale_py
import numpy as np
from numpy.typing import NDArray

from pacdream.game.atari import PaletteFrames

Future = NDArray[np.int64]


class LookaheadPolicy:
    """Plays random futures from the saved state of the game and follows the best one.

    Each future holds random actions for 1 to ``max_hold`` steps. Its value is the points it collects, less
    ``death_cost`` if it loses a life. A share of the steps, drawn anew for each episode up to ``max_epsilon``,
    is random instead, so that the recording shows mistakes too.
    """

    name = "lookahead"

    def __init__(
        self,
        num_futures: int,
        horizon: int,
        max_hold: int,
        replan_every: int,
        death_cost: float,
        max_epsilon: float,
    ) -> None:
        """See the class; ``horizon`` and ``replan_every`` are steps, ``death_cost`` points."""
        if min(num_futures, max_hold, replan_every) < 1 or horizon < replan_every or not 0 <= max_epsilon <= 1:
            raise ValueError(
                "policy.num_futures, max_hold and replan_every must be at least 1, horizon at least replan_every "
                "and max_epsilon in [0, 1]: "
                f"got {num_futures}, {max_hold}, {replan_every}, {horizon} and {max_epsilon}"
            )
        self.num_futures = num_futures
        self.horizon = horizon
        self.max_hold = max_hold
        self.replan_every = replan_every
        self.death_cost = death_cost
        self.max_epsilon = max_epsilon

    def reset(self, env: PaletteFrames, rng: np.random.Generator) -> None:
        """Begin an episode and draw how often this one errs."""
        self._rng, self._emulator = rng, env.new_emulator()
        self._epsilon = rng.uniform(0.0, self.max_epsilon)
        self._best = self._draw_future(env)
        self._step = 0

    def act(self, env: PaletteFrames) -> int:
        """Follow the best future found; look for a better one every ``replan_every`` steps."""
        if self._step % self.replan_every == 0:
            if self._rng.random() < self._epsilon:
                self._best = self._draw_future(env)
            else:
                self._best = self._plan(env)
        self._step += 1
        action, self._best = self._best[0], self._best[1:]
        return int(action)

    def _plan(self, env: PaletteFrames) -> Future:
        """The best of the current plan's remainder and ``num_futures - 1`` new ones, shape (horizon,)."""
        extended = np.concatenate([self._best, self._draw_future(env)])[: self.horizon]
        futures = [extended, *(self._draw_future(env) for _ in range(self.num_futures - 1))]
        # Played in an emulator of its own, with its own sticky actions: the futures cannot know those to come, and the
        # game stays as it was (a restored state is not enough for that: the action last held is no part of it).
        start = env.ale.cloneState(include_rng=False)
        values = [self._value(env, start, future) for future in futures]
        return futures[int(np.argmax(values))]

    def _draw_future(self, env: PaletteFrames) -> Future:
        """Held random actions, shape (horizon,)."""
        holds = self._rng.integers(1, self.max_hold + 1, self.horizon)
        actions = self._rng.integers(env.num_actions, size=self.horizon)
        return np.repeat(actions, holds)[: self.horizon]

    def _value(self, env: PaletteFrames, start: ale_py.ALEState, future: Future) -> float:
        """Points collected in the future, less the cost of lives lost; a lost life ends it."""
        ale = self._emulator
        ale.restoreState(start)
        lives, value = ale.lives(), 0.0
        for action in future:
            value += sum(ale.act(env.ale_actions[action]) for _ in range(env.frameskip))
            if ale.lives() < lives:
                return value - self.death_cost
        return value
