"""Episodes that begin at a later level, which even a planning player reaches after minutes only."""

import logging
from typing import Any

import ale_py
import gymnasium as gym

from pacdream.game.game import Levels

log = logging.getLogger(__name__)
_MAX_FRAMES = 2000


class StartLevel(gym.Wrapper[Any, Any, Any, Any]):
    """On reset, skips a share of the episodes to a level drawn uniformly from 1 to ``max_level``.

    A level is skipped by telling the console that all dots but one are eaten and eating that one: what follows is the
    game's own next level, with all its dots, its faster ghosts and its fruit.
    """

    def __init__(self, env: gym.Env[Any, Any], late_share: float, max_level: int, levels: Levels) -> None:
        """Wrap ``env``, made with ``frameskip=1``, whose game has these levels."""
        super().__init__(env)
        if not 0 <= late_share <= 1 or max_level < 1:
            raise ValueError(f"env.late_share={late_share} must lie in [0, 1] and env.max_level={max_level} be >= 1")
        self._late_share, self._max_level, self._levels = late_share, max_level, levels

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``seed`` decides the level too."""
        observation, info = self.env.reset(seed=seed, options=options)
        rng = self.env.unwrapped.np_random
        level = int(rng.integers(1, self._max_level + 1)) if rng.random() < self._late_share else 0
        ale: ale_py.ALEInterface = self.env.unwrapped.ale  # type: ignore[attr-defined]
        for _ in range(level):
            skip_level(ale, self._levels)
        return observation, {**info, "lives": ale.lives(), "start_level": level}


def skip_level(ale: ale_py.ALEInterface, levels: Levels) -> None:
    """Play until the next level begins."""
    for frame in range(_MAX_FRAMES):
        ram = ale.getRAM()
        last = levels.dots_of(ram) - 1
        # The counter is only worth changing while the level runs: before, the game sets it itself.
        if 0 < ram[levels.dots_eaten] < last:
            ale.setRAM(levels.dots_eaten, last)
            _play_out(ale, levels)
            return
        _walk(ale, frame)
    log.warning("a level could not be skipped: the episode starts where it is")


def _play_out(ale: ale_py.ALEInterface, levels: Levels) -> None:
    """Eat the last dot and wait for the new maze, whose dots are all there."""
    for frame in range(_MAX_FRAMES):
        if ale.getRAM()[levels.dots_eaten] < min(levels.dots) // 2:
            return
        _walk(ale, frame)


def _walk(ale: ale_py.ALEInterface, frame: int) -> None:
    """To and fro."""
    ale.act((ale_py.Action.LEFT, ale_py.Action.RIGHT)[frame // 60 % 2])
