"""What is known of Ms. Pac-Man."""

import numpy as np
from numpy.typing import NDArray

from pacdream.game.game import Game, Levels, Sprite, StateTest
from pacdream.types import Episode

_ROWS = 172  # below are lives, fruits and score
_ORIGIN = (-8.5, 6.0)  # measured against the sprites' colours
_FRUIT_X = 11
_FRIGHTENED = 150
"""Palette index of frightened ghosts."""
_FEW_PIXELS = 8
"""Fewer pixels of their colour are no ghost."""

LEVELS = Levels(maze=0, dots_eaten=119, dots=(154, 150, 158, 154))


def _frightened(episode: Episode) -> NDArray[np.bool_]:
    return (episode.frames[:, :_ROWS] == _FRIGHTENED).sum((1, 2)) >= _FEW_PIXELS


def _fruit(episode: Episode) -> NDArray[np.bool_]:
    return episode.ram[:, _FRUIT_X] > 0


def _start_of_level(episode: Episode) -> NDArray[np.bool_]:
    return episode.ram[:, LEVELS.dots_eaten] == 0


def _in_maze(number: int) -> StateTest:
    return lambda episode: episode.ram[:, LEVELS.maze] % len(LEVELS.dots) == number


_PLAYER = Sprite("player", 42, 10, 16, _ORIGIN)

MS_PACMAN = Game(
    sprites=(
        _PLAYER,
        Sprite("sue", 38, 6, 12, _ORIGIN),
        Sprite("inky", 184, 7, 13, _ORIGIN),
        Sprite("pinky", 88, 8, 14, _ORIGIN),
        Sprite("blinky", 70, 9, 15, _ORIGIN),
    ),
    player=_PLAYER,
    blink_frames=16,  # the power pills
    rows=_ROWS,
    dot_size=(2, 4),
    turned_colour=_FRIGHTENED,
    levels=LEVELS,
    score=(122, 121, 120),
    spare_lives=123,
    states={
        "frightened ghosts": _frightened,
        "fruit": _fruit,
        "start of level": _start_of_level,
        **{f"maze {number + 1}": _in_maze(number) for number in range(len(LEVELS.dots))},
    },
)
