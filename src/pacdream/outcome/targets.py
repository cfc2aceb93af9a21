"""What really happened, in the form in which it is predicted."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pacdream.data.latent_cache import LatentCache
from pacdream.outcome.network import OVER_WITHIN, ToCome


@dataclass(frozen=True)
class Targets:
    """Of N frames, what the action chosen on seeing each led to."""

    points: Tensor
    """(N,) float."""
    lost: Tensor
    """(N, L) bool: a life is lost within each of so many steps."""
    over: Tensor
    """(N,) bool: the game is over within 4 steps."""
    to_come: Tensor
    """(N,) float: discounted points after the step, until a life is lost; NaN where the recording ends too soon."""

    def at(self, frames: Tensor) -> "Targets":
        """Those of these frames (...)."""
        return Targets(*(getattr(self, field.name)[frames] for field in fields(self)))

    @staticmethod
    def joined(*parts: "Targets") -> "Targets":
        """One after the other."""
        return Targets(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Targets)))


def targets_of(cache: LatentCache, lost_within: Sequence[int], to_come: ToCome | None = None) -> Targets:
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
    later = _to_come(cache, to_come, before, end) if to_come else torch.full((len(lives),), torch.nan)
    return Targets(cache.rewards.float(), lost, over, later)


def _to_come(cache: LatentCache, counted: ToCome, lives_lost: Tensor, end: Tensor) -> Tensor:
    """Of each frame (N,), with lives lost before it (N,), of an episode with that last frame (N,)."""
    points, frames = cache.rewards.float().clamp(max=counted.most), torch.arange(len(end))
    first, total = lives_lost[torch.minimum(frames + 1, end)], torch.zeros(len(end))
    for k in range(1, counted.steps + 1):
        then = torch.minimum(frames + k, end)  # the last frame of an episode earns nothing
        total += counted.discount**k * points[then] * (lives_lost[then] == first)
    last = torch.minimum(frames + counted.steps, end)
    over = cache.terminated[(end - 1).clamp(min=0)]  # by the step that led to the last frame
    return torch.where((frames + counted.steps <= end) | (lives_lost[last] > first) | over, total, torch.nan)


def class_of_points(points: Tensor, values: Tensor) -> Tensor:
    """Number (...) of the value nearest to each of ``points`` (...), among ascending ``values`` (V,).

    >>> class_of_points(torch.tensor([0.0, 12.0, 900.0]), torch.tensor([0.0, 10.0, 50.0]))
    tensor([0, 1, 2])
    """
    return (points[..., None] - values).abs().argmin(-1)
