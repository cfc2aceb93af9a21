"""What an outcome network learns from."""

from dataclasses import dataclass

from torch import Tensor

from pacdream.types import Batch


@dataclass(frozen=True)
class OutcomeBatch(Batch):
    """B steps, the grids around them and what they really earned."""

    codes: Tensor
    """(B, G, h, w) int64."""
    actions: Tensor
    """(B,) int64."""
    points: Tensor
    """(B,) float."""
    lost: Tensor
    """(B, L) bool: a life is lost within each of so many steps."""
    over: Tensor
    """(B,) bool: the game is over within 4 steps."""
    weight: Tensor
    """(B,) of each step in the loss of lives and end: rare outcomes are shown more often, and weigh as much less."""
    points_weight: Tensor
    """(B,) of each step in the loss of points: what is shown more often for its lost life weighs as much less."""
    points_shift: Tensor
    """(V,) by how much the logits of each number of points are raised by showing it more often than it occurs; or 0."""
    imagined: bool
    """The grids are a world model's, of recorded actions; the outcomes are those of the game all the same."""
