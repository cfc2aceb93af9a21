"""Planning with the emulator itself."""

from collections.abc import Sequence
from typing import Any

import ale_py
import numpy as np

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions


class LookaheadPolicy:
    """Plays random futures from the saved state of the game and follows the best one.

    Each future holds random actions for 1 to ``max_hold`` steps. Its value is the points it collects, less
    ``death_cost`` if it loses a life. A share of the plans, drawn anew for each episode up to ``max_epsilon``,
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

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``; draws how often each row errs.

        Raises:
            ValueError: there is no game to plan with.
        """
        if games is None:
            raise ValueError("policy=lookahead plans with the emulator, which a rollout has not: choose held_random")
        self._rows = [_Row(self, game, rng) for game, rng in zip(games, rngs, strict=True)]

    def act(self, observation: Any) -> Actions:
        """Follow the best future found; look for a better one every ``replan_every`` steps."""
        return np.array([row.act() for row in self._rows], np.int64)


class _Row:
    """One game and the plan for it."""

    def __init__(self, settings: LookaheadPolicy, game: PaletteFrames, rng: np.random.Generator) -> None:
        self._settings, self._game, self._rng, self._emulator = settings, game, rng, game.new_emulator()
        self._epsilon = rng.uniform(0.0, settings.max_epsilon)
        self._plan = self._draw_future()
        self._step = 0

    def act(self) -> int:
        """Follow the plan, or another one."""
        if self._step % self._settings.replan_every == 0:
            erring = self._rng.random() < self._epsilon
            self._plan = self._draw_future() if erring else self._best_future()
        self._step += 1
        action, self._plan = self._plan[0], self._plan[1:]
        return int(action)

    def _best_future(self) -> Actions:
        """The best of the current plan's remainder and ``num_futures - 1`` new ones, shape (horizon,)."""
        extended = np.concatenate([self._plan, self._draw_future()])[: self._settings.horizon]
        futures = [extended, *(self._draw_future() for _ in range(self._settings.num_futures - 1))]
        # Played in an emulator of its own, with its own sticky actions: the futures cannot know those to come, and the
        # game stays as it was (a restored state is not enough for that: the action last held is no part of it).
        start = self._game.ale.cloneState(include_rng=False)
        values = [self._value(start, future) for future in futures]
        return futures[int(np.argmax(values))]

    def _draw_future(self) -> Actions:
        """Held random actions, shape (horizon,)."""
        horizon = self._settings.horizon
        holds = self._rng.integers(1, self._settings.max_hold + 1, horizon)
        actions = self._rng.integers(self._game.num_actions, size=horizon)
        return np.repeat(actions, holds)[:horizon]

    def _value(self, start: ale_py.ALEState, future: Actions) -> float:
        """Points collected in the future, less the cost of a lost life, which ends it."""
        game, ale = self._game, self._emulator
        ale.restoreState(start)
        lives, value = ale.lives(), 0.0
        for action in future:
            value += sum(ale.act(game.ale_actions[action]) for _ in range(game.frameskip))
            if ale.lives() < lives:
                return value - self._settings.death_cost
        return value
