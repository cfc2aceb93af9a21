"""One imagined step after another: show a world model the past, ask it for the next grid, branch off.

>>> from pacdream.world_model.base import likeliest
>>> from pacdream.world_model.gru import GRUWorldModel
>>> model = GRUWorldModel((7, 5), 256, 9, embedding_dim=8, hidden_size=16, num_layers=1)
>>> grids, actions = torch.randint(256, (2, 4, 7, 5)), torch.randint(9, (2, 3))
>>> state = condition(model, grids, actions)
>>> branches = fork(state, torch.tensor([0, 0, 1]))  # two futures of the first present, one of the second
>>> step, branches = predict(model, branches, torch.tensor([1, 2, 3]), likeliest)
>>> step.codes.shape
torch.Size([3, 7, 5])
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import Sample, WorldModel


class RolloutState(NamedTuple):
    """Where a batch of B rollouts stands."""

    codes: Tensor
    """(B, h, w) int64 the present grid, which the model has not been shown yet."""
    memory: State
    """What the model remembers of the grids before it."""


@dataclass(frozen=True)
class Step:
    """What a world model says of one step of B rollouts."""

    output: WorldModelOutput
    codes: Tensor
    """(B, h, w) the grid that was made of it."""
    actions: Tensor
    """(B,) that led to it."""


def condition(model: WorldModel, context: Tensor, actions: Tensor) -> RolloutState:
    """Show a world model what has happened, as far back as it can remember.

    Args:
        model: any world model.
        context: (B, C, h, w) real grids, the last being the present.
        actions: (B, C - 1) between them.

    Raises:
        ValueError: there is no grid, or not one action fewer than grids, or one that the model does not have.
    """
    length = context.shape[1]
    if not length or actions.shape[1] != length - 1:
        raise ValueError(f"a context of {length} grids needs {length - 1} actions between them, not {actions.shape[1]}")
    check_range("code", context, model.codebook_size)
    check_range("action", actions, model.num_actions)
    memory = model.initial_state(len(context), context.device)
    for t in range(0 if model.memory is None else max(0, length - model.memory), length - 1):
        memory = model.remember(context[:, t], actions[:, t], memory)
    return RolloutState(context[:, -1], memory)


def predict(model: WorldModel, state: RolloutState, actions: Tensor, sample: Sample) -> tuple[Step, RolloutState]:
    """One step: what the actions (B,) lead to, and the state from which the next step goes on.

    ``sample`` makes codes of logits, with a generator of its own for each row; see ``Sampler.begin``.
    """
    output, memory = model.step(state.codes, actions, state.memory)
    codes = model.draw(output, sample)
    return Step(output, codes, actions), RolloutState(codes, memory)


def fork(state: RolloutState, rows: Tensor) -> RolloutState:
    """The states of these rows (B',) int64 of the batch, in their order and as often as they are named."""
    return RolloutState(state.codes[rows], _rows_of(state.memory, rows))


def _rows_of(memory: Any, rows: Tensor) -> Any:
    return memory[rows] if isinstance(memory, Tensor) else tuple(_rows_of(part, rows) for part in memory)


def check_range(what: str, values: Tensor, size: int) -> None:
    """Refuse integers outside 0 to ``size - 1``.

    Raises:
        ValueError: names the first bound that is crossed.
    """
    if not values.numel():
        return
    low, high = (int(bound) for bound in torch.aminmax(values))
    if low < 0 or high >= size:
        raise ValueError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
