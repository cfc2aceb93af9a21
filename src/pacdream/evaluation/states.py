"""Rare moments of the game, found in frames and memory, over which an average says nothing."""

import numpy as np
from numpy.typing import NDArray

from pacdream.game.ms_pacman import DOTS_EATEN, FRIGHTENED, FRUIT_X, MAZE
from pacdream.metric.sprites import MAZE_ROWS, MIN_PIXELS
from pacdream.types import Episode

AROUND_DEATH = 8
"""Steps before and after the loss of a life that belong to it."""


def rare_states(episode: Episode, ms_pacman: bool) -> dict[str, NDArray[np.bool_]]:
    """For every frame of an episode, (T+1,), whether the game is in each of these states; ``all`` is always true."""
    states = {"all": np.ones(len(episode.frames), np.bool_), "death": _around(np.diff(episode.lives.astype(int)) < 0)}
    if ms_pacman:
        frightened = (episode.frames[:, :MAZE_ROWS] == FRIGHTENED).sum((1, 2)) >= MIN_PIXELS
        states |= {
            "frightened ghosts": frightened,
            "fruit": episode.ram[:, FRUIT_X] > 0,
            "start of level": episode.ram[:, DOTS_EATEN] == 0,
            **{f"maze {maze + 1}": episode.ram[:, MAZE] % 4 == maze for maze in range(4)},
        }
    return states


def _around(events: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames (T+1,) within ``AROUND_DEATH`` steps of an event; ``events`` (T,) says after which frame one is."""
    near = np.zeros(len(events) + 1, np.bool_)
    for step in np.flatnonzero(events):
        near[max(0, step + 1 - AROUND_DEATH) : step + 2 + AROUND_DEATH] = True
    return near
