"""Where the sprites are in a picture, and how far that is from the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacdream.env.ram import Sprite, sprite_positions

MAZE_ROWS = 172
"""Below this row the screen shows lives and score in the sprites' colours."""
MIN_PIXELS = 8
"""Fewer pixels of its colour are no sprite."""


def locate(frames: NDArray[np.uint8], palette_index: int) -> NDArray[np.float32]:
    """Median (x, y) of the pixels of one colour in the maze, (B, 2), NaN where there are too few; frames (B, H, W)."""
    found = np.full((len(frames), 2), np.nan, np.float32)
    for i, frame in enumerate(frames[:, :MAZE_ROWS] == palette_index):
        ys, xs = np.nonzero(frame)
        if len(xs) >= MIN_PIXELS:
            found[i] = np.median(xs), np.median(ys)
    return found


@dataclass(frozen=True)
class SpriteError:
    """How well one sprite is placed in decoded frames, over the frames whose original shows it."""

    name: str
    frames: int
    """Frames whose original shows the sprite."""
    lost: float
    """Share of them whose reconstruction does not."""
    median: float
    """Median distance between original and reconstruction in pixels."""
    p90: float
    """Distance that 90 % do not exceed."""
    median_to_ram: float
    """Median distance between the reconstruction and the console's memory in pixels."""
    original_to_ram: float
    """The same for the original: how well colours can be read at all."""


def sprite_error(
    real: NDArray[np.uint8], decoded: NDArray[np.uint8], ram: NDArray[np.uint8], sprite: Sprite
) -> SpriteError:
    """Compare frames (B, H, W) with their reconstructions and with RAM (B, 128)."""
    truth, seen, memory = (
        locate(real, sprite.palette_index),
        locate(decoded, sprite.palette_index),
        sprite_positions(ram, sprite),
    )
    shown = ~np.isnan(truth[:, 0])
    both = shown & ~np.isnan(seen[:, 0])
    error = np.linalg.norm(truth[both] - seen[both], axis=1)
    return SpriteError(
        name=sprite.name,
        frames=int(shown.sum()),
        lost=float(1 - both.sum() / max(1, shown.sum())),
        median=_quantile(error, 0.5),
        p90=_quantile(error, 0.9),
        median_to_ram=_quantile(np.linalg.norm(seen[both] - memory[both], axis=1), 0.5),
        original_to_ram=_quantile(np.linalg.norm(truth[both] - memory[both], axis=1), 0.5),
    )


def _quantile(values: NDArray[np.float32], q: float) -> float:
    return float(np.quantile(values, q)) if len(values) else float("nan")
