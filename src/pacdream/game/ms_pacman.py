"""Where the sprites of Ms. Pac-Man are, read from the console's memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sprite:
    """One moving object: its colour in the palette and the two RAM bytes that hold its position."""

    name: str
    palette_index: int
    ram_x: int
    ram_y: int


MS_PACMAN = Sprite("ms_pacman", 42, 10, 16)
GHOSTS = (
    Sprite("sue", 38, 6, 12),
    Sprite("inky", 184, 7, 13),
    Sprite("pinky", 88, 8, 14),
    Sprite("blinky", 70, 9, 15),
)
SPRITES = (MS_PACMAN, *GHOSTS)

MAZE, FRUIT_X, DOTS_EATEN = 0, 11, 119
FRIGHTENED = 150
"""Palette index of frightened ghosts."""
DOTS_IN_MAZE = (154, 150, 158, 154)
"""Dots and pills to eat in each of the four mazes, found by trying at which count the console ends the level."""

# The origin of the RAM coordinates on the 210x160 screen, measured against the sprites' colours.
_SCREEN_DX, _SCREEN_DY = -8.5, 6.0


def sprite_positions(ram: NDArray[np.uint8], sprite: Sprite) -> NDArray[np.float32]:
    """Screen position (x, y) in pixels of the sprite's centre, shape (..., 2), from RAM of shape (..., 128)."""
    x = ram[..., sprite.ram_x].astype(np.float32) + _SCREEN_DX
    y = ram[..., sprite.ram_y].astype(np.float32) + _SCREEN_DY
    return np.stack([x, y], axis=-1)
