"""What is known of a game beside its pixels: plain facts that its own module states."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pacdream.types import Episode

Frames = NDArray[np.uint8]
Memory = NDArray[np.uint8]
StateTest = Callable[[Episode], NDArray[np.bool_]]
"""From an episode to its frames (T+1,) that are in a state."""


@dataclass(frozen=True)
class Sprite:
    """One moving object: its colour in the palette and the two RAM bytes that hold its position."""

    name: str
    palette_index: int
    ram_x: int
    ram_y: int
    origin: tuple[float, float]
    """Where (x, y) of the memory's coordinates begin on the screen, in pixels."""

    def positions(self, ram: Memory) -> NDArray[np.float32]:
        """Screen position (..., 2) in pixels, as (x, y), of the sprite's centre, from memory (..., 128)."""
        x = ram[..., self.ram_x].astype(np.float32) + self.origin[0]
        y = ram[..., self.ram_y].astype(np.float32) + self.origin[1]
        return np.stack([x, y], axis=-1)


@dataclass(frozen=True)
class Levels:
    """How a level of a game in which dots are eaten is told and ended."""

    maze: int
    """RAM byte whose value, modulo the number of mazes, is the maze."""
    dots_eaten: int
    """RAM byte that counts them."""
    dots: tuple[int, ...]
    """Of each maze, at which count the console ends the level."""

    def dots_of(self, ram: Memory) -> int:
        """Dots to eat in the maze that memory (128,) is in."""
        return self.dots[int(ram[self.maze]) % len(self.dots)]


@dataclass(frozen=True)
class Game:
    """A game; ``Game()`` is one of which nothing is known."""

    sprites: tuple[Sprite, ...] = ()
    player: Sprite | None = None
    """The sprite that the actions move."""
    blink_frames: int = 1
    """Emulator frames after which all that blinks looks the same again; 1 if nothing blinks."""
    frameskip: int = 4
    """Emulator frames of a step."""
    rows: int | None = None
    """Rows of the screen, from the top, that are the playfield; none if all are."""
    dot_size: tuple[int, int] | None = None
    """Height and width, in pixels, of the dots to eat, which have the colour of the walls; none if there are none."""
    turned_colour: int | None = None
    """Palette index of what hunts the player while it is frightened and can be eaten; none if it never is."""
    levels: Levels | None = None
    score: tuple[int, ...] = ()
    """RAM bytes of the points, two decimal digits each, the highest first."""
    spare_lives: int | None = None
    """RAM byte whose lower half counts the lives left beside the one that is played."""
    states: Mapping[str, StateTest] = field(default_factory=dict)
    """Rare moments of the game, by name."""

    @property
    def blink_period(self) -> int:
        """Steps after which all that blinks looks the same again; 1 if nothing blinks."""
        return self.blink_frames // math.gcd(self.blink_frames, self.frameskip)

    def playfield(self, frames: Frames) -> Frames:
        """The rows (..., rows, W) of frames (..., H, W) that are neither score nor lives."""
        return frames[..., : self.rows, :]
