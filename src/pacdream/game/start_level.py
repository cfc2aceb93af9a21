"""Episodes of Ms. Pac-Man that begin in a later maze, which even a planning player reaches after minutes only."""

import logging
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np

from pacdream.game.ms_pacman import DOTS_EATEN, DOTS_IN_MAZE, MAZE

log = logging.getLogger(__name__)
_MAX_FRAMES = 2000


class StartLevel(gym.Wrapper[Any, Any, Any, Any]):
    """On reset, skips a share of the episodes to a level drawn uniformly from 1 to ``max_level``.

    A level is skipped by telling the console that all dots but one are eaten and eating that one: what follows is the
    game's own next level, with all its dots, its faster ghosts and its fruit.
    """

    def __init__(self, env: gym.Env[Any, Any], late_share: float, max_level: int) -> None:
        """Wrap ``env``, Ms. Pac-Man made with ``frameskip=1``."""
        super().__init__(env)
        if not 0 <= late_share <= 1 or max_level < 1:
            raise ValueError(f"env.late_share={late_share} must lie in [0, 1] and env.max_level={max_level} be >= 1")
        self._late_share, self._max_level = late_share, max_level

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``seed`` decides the level too."""
        observation, info = self.env.reset(seed=seed, options=options)
        rng = self.env.unwrapped.np_random
        level = int(rng.integers(1, self._max_level + 1)) if rng.random() < self._late_share else 0
        ale: ale_py.ALEInterface = self.env.unwrapped.ale  # type: ignore[attr-defined]
        for _ in range(level):
            skip_level(ale)
        return observation, {**info, "lives": ale.lives(), "start_level": level}


def skip_level(ale: ale_py.ALEInterface) -> None:
    """Play until the next level begins."""
    moves = (ale_py.Action.LEFT, ale_py.Action.RIGHT)
    for frame in range(_MAX_FRAMES):
        ram = ale.getRAM()
        # The counter is only worth changing while the level runs: before, the game sets it itself.
        if 0 < ram[DOTS_EATEN] < DOTS_IN_MAZE[ram[MAZE] % 4] - 1:
            ale.setRAM(DOTS_EATEN, DOTS_IN_MAZE[ram[MAZE] % 4] - 1)
            _play_out(ale)
            return
        ale.act(moves[frame // 60 % 2])
    log.warning("a level could not be skipped: the episode starts where it is")


def _play_out(ale: ale_py.ALEInterface) -> None:
    """Eat the last dot and wait for the new maze, whose dots are all there."""
    moves = (ale_py.Action.LEFT, ale_py.Action.RIGHT)
    for frame in range(_MAX_FRAMES):
        if ale.getRAM()[DOTS_EATEN] < np.min(DOTS_IN_MAZE) // 2:
            return
        ale.act(moves[frame // 60 % 2])
