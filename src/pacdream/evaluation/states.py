"""Rare moments of the game, found in frames and memory, over which an average says nothing."""

import numpy as np
from numpy.typing import NDArray

from pacdream.game.game import Game, Sprite
from pacdream.types import Episode

AROUND_DEATH = 8
"""Steps before and after the loss of a life that belong to it."""
LONGEST_MOVE = 8
"""Pixels that a player can move in a step, on each axis; a longer move is a tunnel or a new life."""


def rare_states(episode: Episode, game: Game) -> dict[str, NDArray[np.bool_]]:
    """For every frame of an episode, (T+1,), whether the game is in each of these states; ``all`` is always true."""
    return {
        "all": np.ones(len(episode.frames), np.bool_),
        "death": _around(np.diff(episode.lives.astype(int)) < 0),
        **({"reversal": _reversals(game.player, episode)} if game.player else {}),
        **{name: test(episode) for name, test in game.states.items()},
    }


def _around(events: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames (T+1,) within ``AROUND_DEATH`` steps of an event; ``events`` (T,) says after which frame one is."""
    near = np.zeros(len(events) + 1, np.bool_)
    for step in np.flatnonzero(events):
        near[max(0, step + 1 - AROUND_DEATH) : step + 2 + AROUND_DEATH] = True
    return near


def _reversals(player: Sprite, episode: Episode) -> NDArray[np.bool_]:
    """Frames (T+1,) into which the player moved against the move before, and those after them, which show it.

    A frame is the brightest of several pictures, so that who turns back is first seen to stand still.
    """
    moves = np.diff(player.positions(episode.ram), axis=0)
    moves[(abs(moves) > LONGEST_MOVE).any(1)] = 0
    back = np.zeros(len(episode.ram), np.bool_)
    back[2:] = (moves[1:] * moves[:-1]).sum(1) < 0
    back[1:] |= back[:-1]
    return back
