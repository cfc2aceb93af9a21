"""Where the sprites are in a picture, and how far that is from the truth."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.game.ms_pacman import Sprite, sprite_positions
from pacdream.metric.episode_metric import EpisodeMetric, Estimate, ratio

Frames = NDArray[np.uint8]

MAZE_ROWS = 172
"""Below this row the screen shows lives and score in the sprites' colours."""
MIN_PIXELS = 8
"""Fewer pixels of its colour are no sprite."""
REACH = 12
"""Pixels further than this from a sprite's middle belong to another one."""
BIN, NUM_BINS = 0.5, 400
"""Distances are counted in bins of so many pixels; the last holds all that is further."""


@dataclass(frozen=True)
class Sighting:
    """Where a colour is seen in B frames."""

    position: NDArray[np.float32]
    """(B, 2) median (x, y) of its pixels in the maze, NaN where there are too few."""
    doubled: NDArray[np.bool_]
    """(B,) it is seen in more than one place."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(B,)."""
        return ~np.isnan(self.position[:, 0])


def locate(frames: Frames, palette_index: int) -> Sighting:
    """Find one colour in frames (B, H, W)."""
    position, doubled = np.full((len(frames), 2), np.nan, np.float32), np.zeros(len(frames), np.bool_)
    for i, frame in enumerate(frames[:, :MAZE_ROWS] == palette_index):
        ys, xs = np.nonzero(frame)
        if len(xs) >= MIN_PIXELS:
            x, y = np.median(xs), np.median(ys)
            position[i] = x, y
            doubled[i] = (np.maximum(abs(xs - x), abs(ys - y)) > REACH).sum() >= MIN_PIXELS
    return Sighting(position, doubled)


class SpriteScore(EpisodeMetric):
    """How one sprite is placed in pictures against the console's memory, for each of T horizons.

    Only frames whose original shows the sprite count: the console draws not every sprite in every frame.
    """

    def __init__(self, num_episodes: int, horizon: int) -> None:
        super().__init__(num_episodes, (horizon, 3 + NUM_BINS))

    def update(self, frames: Frames, original: Frames, ram: NDArray[np.uint8], sprite: Sprite, episode: Tensor) -> None:
        """Add pictures (B, T, H, W), the frames that they should show, and memory (B, T, 128)."""
        shape = frames.shape[:2]
        found, shown = (
            locate(pictures.reshape(-1, *pictures.shape[2:]), sprite.palette_index) for pictures in (frames, original)
        )
        truth = sprite_positions(ram, sprite).reshape(-1, 2)
        distance = np.nan_to_num(np.linalg.norm(found.position - truth, axis=1))
        counts = np.zeros((len(distance), 3 + NUM_BINS))
        counts[:, 0] = shown.seen
        counts[:, 1] = shown.seen & ~found.seen
        counts[:, 2] = shown.seen & found.doubled
        placed = np.flatnonzero(shown.seen & found.seen)
        counts[placed, 3 + np.minimum(distance[placed] / BIN, NUM_BINS - 1).astype(int)] = 1
        self.add(torch.from_numpy(counts).unflatten(0, shape), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Distances in pixels, to half a pixel, of the sprites that are seen; shares of all that should be."""
        shown, lost, doubled = sums[..., :3].unbind(-1)
        histogram = sums[..., 3:]
        return {
            "median": Estimate(quantile(histogram, 0.5), shown - lost),
            "p90": Estimate(quantile(histogram, 0.9), shown - lost),
            "lost": ratio(lost, shown),
            "doubled": ratio(doubled, shown),
        }


def quantile(histogram: Tensor, q: float) -> Tensor:
    """The middle of the bin that holds the quantile, in pixels, of counts (..., NUM_BINS); NaN if there are none."""
    cumulative = histogram.cumsum(-1)
    total = cumulative[..., -1:]
    bins = (cumulative < q * total).sum(-1)
    return torch.where(total.squeeze(-1) > 0, (bins + 0.5) * BIN, torch.nan)
