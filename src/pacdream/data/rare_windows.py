"""Windows from which there is more to learn than from most, shown more often."""

import torch
from torch import Tensor

from pacdream.data.latent_cache import LatentCache


def check_rare(wanted: dict[str, float] | None) -> None:
    """Refuse a description of rare windows that says nothing.

    Raises:
        ValueError: it lacks one of its numbers, or one lies out of range.
    """
    if wanted is not None and not (
        set(wanted) == {"share", "points", "steps"}
        and 0 < wanted["share"] < 1
        and wanted["points"] > 0
        and wanted["steps"] >= 1
    ):
        raise ValueError(
            f"data.rare={wanted} must be null, or have a share between 0 and 1, points above 0 and steps from 1 on"
        )


def with_rare_ones(cache: LatentCache, starts: Tensor, length: int, wanted: dict[str, float]) -> Tensor:
    """Starts (M',) of windows of ``length`` steps, among which those with a rare event are repeated.

    Args:
        cache: what happened.
        starts: (M,) numbers of the first frames.
        length: of a window in steps.
        wanted: the ``share`` of all windows in whose last ``steps`` steps a life is lost or as many ``points`` earned.

    Raises:
        ValueError: there is none.
    """
    lost = cache.lives[1:].int() < cache.lives[:-1].int()
    event = (cache.rewards[:-1] >= wanted["points"]) | lost
    before = torch.cat([torch.zeros(1, dtype=torch.int64), event.cumsum(0)])  # events before each frame's action
    end = starts.long() + length
    rare = starts[before[end] > before[torch.maximum(end - int(wanted["steps"]), starts.long())]]
    if not len(rare):
        raise ValueError(f"data.rare={wanted}, but no training window holds such an event")
    return _with_more(starts, rare, wanted["share"])


def check_new_actions(wanted: dict[str, float] | None) -> None:
    """Refuse a description of windows with new actions that says nothing.

    Raises:
        ValueError: it lacks one of its numbers, or one lies out of range.
    """
    if wanted is not None and not (
        set(wanted) == {"share", "steps"} and 0 < wanted["share"] < 1 and wanted["steps"] >= 1
    ):
        raise ValueError(f"data.new_actions={wanted} must be null, or have a share between 0 and 1 and steps from 1 on")


def with_new_actions(cache: LatentCache, starts: Tensor, length: int, wanted: dict[str, float]) -> Tensor:
    """Starts (M',) of windows of ``length`` steps, among which those with a new action are repeated.

    Most of play is going on as before, from which nobody learns to obey.

    Args:
        cache: what was done.
        starts: (M,) numbers of the first frames.
        length: of a window in steps.
        wanted: the ``share`` of all windows in whose last ``steps`` steps an action is another than the one before.

    Raises:
        ValueError: the windows are too short to tell, or there is none.
    """
    steps = int(wanted["steps"])
    if length <= steps:
        raise ValueError(f"data.new_actions={wanted} needs windows that are longer: raise data.context_length={length}")
    changes = cache.actions[1:] != cache.actions[:-1]
    before = torch.cat([torch.zeros(2, dtype=torch.int64), changes.cumsum(0)])  # changes before each frame's action
    end = starts.long() + length
    new = starts[before[end] > before[end - steps]]
    if not len(new):
        raise ValueError(f"data.new_actions={wanted}, but the action never changes in the recorded play")
    return _with_more(starts, new, wanted["share"])


def _with_more(starts: Tensor, chosen: Tensor, share: float) -> Tensor:
    """``starts`` (M',), in which the ``chosen`` ones are repeated until they are a share of them."""
    count = round(share / (1 - share) * (len(starts) - len(chosen)))
    more = torch.arange(max(0, count - len(chosen))) % len(chosen)
    return torch.cat([starts, chosen[more]])
