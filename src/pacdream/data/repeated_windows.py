"""Windows from which there is more to learn than from most, shown more often."""

import logging
from collections.abc import Mapping

import torch
from torch import Tensor

from pacdream.data.latent_cache import LatentCache

log = logging.getLogger(__name__)


def check_rare(settings: Mapping[str, float] | None) -> None:
    """Refuse a description of rare windows that says nothing.

    Raises:
        ValueError: it lacks one of its numbers, or one lies out of range.
    """
    if settings is not None and not (_describes(settings, {"share", "points", "steps"}) and settings["points"] > 0):
        raise ValueError(
            f"data.rare={settings} must be null, or have a share between 0 and 1, points above 0 and steps from 1 on"
        )


def check_new_actions(settings: Mapping[str, float] | None, length: int) -> None:
    """Refuse a description of windows with new actions that says nothing, or that needs longer windows.

    Raises:
        ValueError: it lacks one of its numbers, or one lies out of range.
    """
    if settings is not None and not (_describes(settings, {"share", "steps"}) and settings["steps"] < length):
        raise ValueError(
            f"data.new_actions={settings} must be null, or have a share between 0 and 1, and steps from 1 on and below "
            f"data.context_length={length}: the first action of a window is never new"
        )


def _describes(settings: Mapping[str, float], names: set[str]) -> bool:
    if set(settings) != names or not 0 < settings["share"] < 1:
        return False
    return settings["steps"] >= 1 and float(settings["steps"]).is_integer()


def with_rare_ones(cache: LatentCache, starts: Tensor, length: int, settings: Mapping[str, float]) -> Tensor:
    """Windows among which those are repeated in whose last steps a life is lost or many points are earned.

    Args:
        cache: what happened.
        starts: (M,) numbers of the first frames of windows of ``length`` steps.
        length: of a window in steps.
        settings: the ``share`` of all that those shall be, the ``points``, and how many ``steps`` are looked at.

    Returns:
        First frames (M',).

    Raises:
        ValueError: there is none.
    """
    lost = cache.lives[1:].int() < cache.lives[:-1].int()
    event = (cache.rewards[:-1] >= settings["points"]) | lost
    return _repeated(starts, event, length, settings, "data.rare")


def with_new_actions(cache: LatentCache, starts: Tensor, length: int, settings: Mapping[str, float]) -> Tensor:
    """Windows among which those are repeated in whose last steps an action is another than the one before.

    In most steps the action stays the same, which teaches nothing about obeying it.

    Args:
        cache: what was done.
        starts: (M,) numbers of the first frames of windows of ``length`` steps.
        length: of a window in steps, more than are looked at.
        settings: the ``share`` of all that those shall be, and how many ``steps`` are looked at.

    Returns:
        First frames (M',).

    Raises:
        ValueError: there is none.
    """
    new = cache.actions[1:-1] != cache.actions[:-2]
    event = torch.cat([torch.zeros(1, dtype=torch.bool), new])
    return _repeated(starts, event, length, settings, "data.new_actions")


def _repeated(starts: Tensor, event: Tensor, length: int, settings: Mapping[str, float], name: str) -> Tensor:
    """Repeat windows with an ``event`` (N - 1,) in their last steps, all of them about equally often."""
    before = torch.cat([torch.zeros(1, dtype=torch.int64), event.cumsum(0)])  # events before each frame's action
    end = starts.long() + length
    chosen = starts[before[end] > before[torch.maximum(end - int(settings["steps"]), starts.long())]]
    if not len(chosen):
        raise ValueError(f"{name}={dict(settings)}, but no training window holds such an event")
    share = settings["share"]
    extra = max(0, round(share / (1 - share) * (len(starts) - len(chosen))) - len(chosen))
    log.info(
        "%s: %.0f %% of the windows, %.0f %% as they are shown",
        name, 100 * len(chosen) / len(starts), 100 * (len(chosen) + extra) / (len(starts) + extra),
    )  # fmt: skip
    return torch.cat([starts, chosen[torch.arange(extra) * len(chosen) // max(extra, 1)]])
