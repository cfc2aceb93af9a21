"""What really happened, in the form in which it is predicted."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pacdream.data.latent_cache import LatentCache
from pacdream.outcome.network import OVER_WITHIN


@dataclass(frozen=True)
class Targets:
    """Of N frames, what the action chosen on seeing each led to."""

    points: Tensor
    """(N,) float."""
    lost: Tensor
    """(N, L) bool: a life is lost within each of so many steps."""
    over: Tensor
    """(N,) bool: the game is over within 4 steps."""

    def at(self, frames: Tensor) -> "Targets":
        """Those of these frames (...)."""
        return Targets(self.points[frames], self.lost[frames], self.over[frames])

    @staticmethod
    def joined(*parts: "Targets") -> "Targets":
        """One after the other."""
        return Targets(
            torch.cat([part.points for part in parts]),
            torch.cat([part.lost for part in parts]),
            torch.cat([part.over for part in parts]),
        )


def targets_of(cache: LatentCache, lost_within: Sequence[int]) -> Targets:
    """Of all frames of a cache; nothing happens in the last frame of an episode, which has no action."""
    lives = cache.lives.int()
    lost_after = torch.zeros(len(lives), dtype=torch.int64)
    lost_after[:-1] = lives[1:] < lives[:-1]
    ends = cache.starts[1:] - 1
    lost_after[ends] = 0
    # Lives lost before each frame: an extra life, which comes at 10,000 points, must not hide a lost one.
    before = torch.cat([torch.zeros(1, dtype=torch.int64), lost_after.cumsum(0)])[:-1]
    end = ends.repeat_interleave(cache.starts.diff())
    frames = torch.arange(len(lives))
    lost = torch.stack([before[torch.minimum(frames + steps, end)] > before for steps in lost_within], 1)
    ended = torch.cat([torch.zeros(1, dtype=torch.int64), cache.terminated.long().cumsum(0)])
    over = ended[torch.minimum(frames + OVER_WITHIN, end)] > ended[frames]
    return Targets(cache.rewards.float(), lost, over)


def class_of_points(points: Tensor, values: Tensor) -> Tensor:
    """Number (...) of the value nearest to each of ``points`` (...), among ascending ``values`` (V,).

    >>> class_of_points(torch.tensor([0.0, 12.0, 900.0]), torch.tensor([0.0, 10.0, 50.0]))
    tensor([0, 1, 2])
    """
    return (points[..., None] - values).abs().argmin(-1)
