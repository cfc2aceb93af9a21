"""Where the sprites are in a picture, and how far that is from the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, Figure, figure_of, ratio

Frames = NDArray[np.uint8]

MIN_PIXELS = 8
"""Fewer pixels of its colour are no sprite."""
REACH = 12
"""Pixels further than this from a sprite's middle belong to another one."""
BIN, FARTHEST = 0.5, 200.0
"""Distances are counted in bins of so many pixels; the last holds all from ``FARTHEST`` on, and the lost sprites."""
NUM_BINS = int(FARTHEST / BIN) + 1


@dataclass(frozen=True)
class Sighting:
    """Where a colour is seen in frames (...)."""

    position: NDArray[np.float32]
    """(..., 2) median (x, y) of its pixels, NaN where there are too few."""
    doubled: NDArray[np.bool_]
    """(...) it is seen in more than one place."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(...)."""
        return ~np.isnan(self.position[..., 0])

    def spread(self, steps: int) -> "Sighting":
        """Those of pictures (B, 1) that stay for so many steps; those of (B, steps) as they are."""
        shape = (len(self.doubled), steps)
        return Sighting(np.broadcast_to(self.position, (*shape, 2)), np.broadcast_to(self.doubled, shape))


def locate(frames: Frames, palette_index: int) -> Sighting:
    """Find one colour in frames (..., H, W)."""
    shape = frames.shape[:-2]
    position, doubled = np.full((*shape, 2), np.nan, np.float32), np.zeros(shape, np.bool_)
    for i in np.ndindex(shape):
        ys, xs = np.nonzero(frames[i] == palette_index)
        if len(xs) >= MIN_PIXELS:
            x, y = np.median(xs), np.median(ys)
            position[i] = x, y
            doubled[i] = (np.maximum(abs(xs - x), abs(ys - y)) > REACH).sum() >= MIN_PIXELS
    return Sighting(position, doubled)


class SpriteScore(EpisodeMetric):
    """How one sprite is placed in pictures against where it is, for each of T horizons.

    Only frames whose original shows the sprite count: the console draws not every sprite in every frame. A sprite that
    is not found is ``FARTHEST`` pixels away, so that nothing is gained by erasing what is uncertain.
    """

    def __init__(self, num_episodes: int, horizon: int) -> None:
        super().__init__(num_episodes, (horizon, 3 + NUM_BINS))

    def update(self, found: Sighting, shown: Sighting, truth: NDArray[np.float32], episode: Tensor) -> None:
        """Add where it is in pictures (B, T) and in the frames that they should show, and where it is (B, T, 2)."""
        distance = np.linalg.norm(found.position - truth, axis=-1)
        bins = np.where(found.seen, np.minimum(distance, FARTHEST), FARTHEST) / BIN
        counts = np.zeros((*distance.shape, 3 + NUM_BINS))
        counts[..., 0] = shown.seen
        counts[..., 1] = shown.seen & ~found.seen
        counts[..., 2] = shown.seen & found.doubled
        np.put_along_axis(counts, 3 + bins.astype(int)[..., None], shown.seen[..., None], -1)
        self.add(torch.from_numpy(counts), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Distances in pixels, to half a pixel, and shares, all of the frames that should show the sprite."""
        shown, lost, doubled = sums[..., :3].unbind(-1)
        histogram = sums[..., 3:]
        return {
            "median": Estimate(quantile(histogram, 0.5), shown),
            "p90": Estimate(quantile(histogram, 0.9), shown),
            "lost": ratio(lost, shown),
            "doubled": ratio(doubled, shown),
        }


def position_skill(dream: Sequence[Figure], tokenizer: Sequence[Figure], copied: Sequence[Figure]) -> Figure:
    """How much of what can be known of the sprites' positions a dream knows, for each of T horizons.

    Unlike right codes it can be compared between tokenizers.

    Args:
        dream: the median errors of S sprites in the dream, lost ones counted as ``FARTHEST``.
        tokenizer: of the same sprites, of the tokenizer alone.
        copied: of the same sprites, in a copy of the present.

    Returns:
        1 is as good as the tokenizer lets it be, 0 is a copy.
    """
    rows = (dream, tokenizer, copied)
    value, samples = (
        _between(*(torch.stack([getattr(figure, part) for figure in row]).nanmean(0) for row in rows))
        for part in ("value", "samples")
    )
    # A sprite that was seen in one episode only is part of the value, and nothing says how far that may be off.
    in_doubt = torch.stack([~figure.value.isnan() & figure.samples.isnan().all(0) for figure in dream]).any(0)
    return figure_of(
        Estimate(value, torch.stack([figure.n for figure in dream]).sum(0)), samples.masked_fill(in_doubt, torch.nan)
    )


def _between(error: Tensor, best: Tensor, copied: Tensor) -> Tensor:
    gain = copied - best
    return torch.where(gain > 0, 1 - (error - best) / gain.clamp(min=1e-12), torch.nan)


def quantile(histogram: Tensor, q: float) -> Tensor:
    """The middle of the bin that holds the quantile, in pixels, of counts (..., NUM_BINS); NaN if there are none."""
    cumulative = histogram.cumsum(-1)
    total = cumulative[..., -1:]
    bins = (cumulative < q * total).sum(-1)
    return torch.where(total.squeeze(-1) > 0, ((bins + 0.5) * BIN).clamp(max=FARTHEST), torch.nan)
