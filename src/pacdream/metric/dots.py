"""Dots that a dream eats too many or too few of."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, correlation, ratio

Frames = NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width of a dot in pixels; it has the colour of the walls and touches none."""


def maze_colours(frame: Frames) -> tuple[int, int]:
    """Palette indices of floor and walls: the two most frequent colours of a playfield (H, W)."""
    walls, floor = np.argsort(np.bincount(frame.ravel(), minlength=256))[-2:]
    return int(floor), int(walls)


def dot_sites(frame: Frames, size: Size) -> NDArray[np.int64]:
    """Upper left corners (N, 2), as (y, x), of the dots that a playfield (H, W) shows."""
    floor, walls = maze_colours(frame)
    height, width = size
    windows = np.lib.stride_tricks.sliding_window_view(frame, (height + 2, width + 2))
    inside = (windows[..., 1:-1, 1:-1] == walls).all((-2, -1))
    border = (windows == floor).sum((-2, -1)) == (height + 2) * (width + 2) - height * width
    return np.argwhere(inside & border) + 1


def dot_counts(
    pictures: Frames, originals: Frames, sites: NDArray[np.int64], size: Size, colours: tuple[int, int]
) -> Tensor:
    """Per frame (B, 3): 1, dots missing in the picture, dots that should be gone.

    A site counts if both, picture (B, H, W) and original, show it clearly: more than half of it in one colour.
    """
    floor, walls = colours
    shown = [_pixels(frames, sites, size) for frames in (pictures, originals)]
    (dot, bare), (true_dot, true_bare) = (((s == walls).mean(-1) > 0.5, (s == floor).mean(-1) > 0.5) for s in shown)
    counted = [np.ones(len(pictures)), (bare & true_dot).sum(1), (dot & true_bare).sum(1)]
    return torch.from_numpy(np.stack(counted, -1))


def _pixels(frames: Frames, sites: NDArray[np.int64], size: Size) -> Frames:
    """Those of every site, (B, N, height * width)."""
    dy, dx = (grid.ravel() for grid in np.mgrid[: size[0], : size[1]])
    return frames[:, sites[:, :1] + dy, sites[:, 1:] + dx]


class DotScore(EpisodeMetric):
    """Mean number of dots eaten too many and too few, for each of T horizons."""

    def __init__(self, num_episodes: int, horizon: int, size: Size) -> None:
        super().__init__(num_episodes, (horizon, 3))
        self._size = size

    def update(self, pictures: Frames, originals: Frames, present: Frames, episode: Tensor) -> None:
        """Add pictures (B, T, H, W) and originals of futures that begin with the playfields ``present`` (B, H, W)."""
        for picture, original, frame, rank in zip(pictures, originals, present, episode, strict=True):
            counts = dot_counts(picture, original, dot_sites(frame, self._size), self._size, maze_colours(frame))
            self.add(counts[None], rank[None])

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Dots per frame."""
        frames, missing, extra = sums.unbind(-1)
        return {"dots_too_many_eaten": ratio(missing, frames), "dots_too_few_eaten": ratio(extra, frames)}


def sites_in(pictures: Frames, sites: NDArray[np.int64], size: Size, colour: int) -> NDArray[np.int64]:
    """At how many of ``sites`` each picture (B, H, W) shows one colour in more than half of a dot."""
    return np.asarray(((_pixels(pictures, sites, size) == colour).mean(-1) > 0.5).sum(1))


class EatenScore(EpisodeMetric):
    """Whether a dream eats as many dots as the game does, for each of T horizons: what planning lives on."""

    def __init__(self, num_episodes: int, horizon: int, size: Size) -> None:
        super().__init__(num_episodes, (horizon, 7))
        self._size = size

    def update(self, pictures: Frames, originals: Frames, present: Frames, episode: Tensor) -> None:
        """Add pictures (B, T, H, W) and originals of futures that begin with the playfields ``present`` (B, H, W)."""
        for picture, original, frame, rank in zip(pictures, originals, present, episode, strict=True):
            sites, (floor, _) = dot_sites(frame, self._size), maze_colours(frame)
            dreamt, real = (
                torch.from_numpy(sites_in(frames, sites, self._size, floor)).double() for frames in (picture, original)
            )
            close = ((dreamt - real).abs() <= 1).double()
            one = torch.ones_like(close)
            sums = torch.stack([one, close, dreamt, real, dreamt**2, real**2, dreamt * real], -1)
            self.add(sums[None], rank[None])

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Share of the dreams that are right within one dot, and Pearson's correlation over all of them."""
        count, close, x, y, xx, yy, xy = sums.unbind(-1)
        return {
            "dots_eaten_within_one": ratio(close, count),
            "dots_eaten_correlation": Estimate(correlation(count, x, y, xx, yy, xy), count),
        }
