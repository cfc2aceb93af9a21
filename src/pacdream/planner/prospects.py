"""What plans promise, whoever foretells it, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pacdream.game.palette_frames import PaletteFrames
from pacdream.rollout.step import RolloutState, fork


@dataclass(frozen=True)
class Present:
    """Where B games stand."""

    state: RolloutState
    """Its codes are the present grids."""
    codes: Tensor
    """(B, before, h, w) the grids before them that judging needs."""
    actions: Tensor
    """(B, before) what was done in those."""
    games: Sequence[PaletteFrames] | None
    """The games themselves, which only an oracle looks into; none in a dream."""
    frames: Tensor | None
    """(B, H, W) uint8 as they were seen; none in a dream."""
    last_actions: Sequence[int]
    """What was done last in each game, which a sticky console repeats."""

    def pick(self, rows: Sequence[int]) -> "Present":
        """Some of the games."""
        index = torch.tensor(rows, device=self.actions.device)
        return Present(
            fork(self.state, index),
            self.codes[index],
            self.actions[index],
            None if self.games is None else [self.games[row] for row in rows],
            None if self.frames is None else self.frames[index],
            [self.last_actions[row] for row in rows],
        )


@dataclass(frozen=True)
class Prospects:
    """Of N plans, what each of S steps earns and risks."""

    points: Tensor
    """(N, S) expected points of a player who is still alive."""
    dies: Tensor
    """(N, S) probability that the step costs a life of a player who is still alive."""
    dies_soon: Tensor
    """(N,) probability that who is still alive when the plan ends has been caught, and is about to lose a life."""


class Foresight(Protocol):
    """Foretells what plans lead to: a dream, or an oracle that takes its place in part."""

    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """Of plans (B, P, T), row by row: N = B * P."""


@dataclass(frozen=True)
class Objective:
    """How prospects are weighed."""

    discount: float
    """A point k steps ahead counts this to the power of k."""
    death_cost: float
    """Points that a lost life costs."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.discount <= 1:
            raise ValueError(f"planner.discount={self.discount} must lie in (0, 1]")
        if self.death_cost < 0:
            raise ValueError(f"planner.death_cost={self.death_cost} must be at least 0")

    def __call__(self, prospects: Prospects) -> Tensor:
        """Value (N,): the discounted points of who is still alive, less the cost of having died.

        A death is a probability that dims what comes after it, never a threshold: no plan is judged by whether a
        number lies just above or just below one half.

        >>> calm = Prospects(torch.tensor([[10.0, 10.0]]), torch.zeros(1, 2), torch.zeros(1))
        >>> Objective(discount=1.0, death_cost=100.0)(calm)
        tensor([20.])
        >>> risky = Prospects(torch.tensor([[10.0, 10.0]]), torch.tensor([[0.5, 0.0]]), torch.zeros(1))
        >>> Objective(discount=1.0, death_cost=100.0)(risky)  # the second dot is eaten half the time
        tensor([-35.])
        """
        survives = alive_after(prospects)[:, -1] * (1 - prospects.dies_soon)
        discounts = self.discount ** torch.arange(prospects.points.shape[1], device=prospects.points.device)
        return (returns(prospects, discounts))[:, -1] - self.death_cost * (1 - survives)


def alive_after(prospects: Prospects) -> Tensor:
    """Probability (N, S) of being alive after each step."""
    return torch.cumprod(1 - prospects.dies, 1)


def returns(prospects: Prospects, discounts: Tensor | float = 1.0) -> Tensor:
    """Points (N, S) expected up to and with each step, of a player who dies as foretold."""
    alive = alive_after(prospects)
    before = torch.cat([torch.ones_like(alive[:, :1]), alive[:, :-1]], 1)
    return (before * prospects.points * discounts).cumsum(1)
