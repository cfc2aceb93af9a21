"""World models that know what they do."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import WorldModel


class ScriptedWorldModel(WorldModel):
    """Predicts ``rule(codes, actions)`` with certainty and remembers how many steps it has made."""

    def __init__(self, rule: Callable[[Tensor, Tensor], Tensor], codebook_size: int = 16) -> None:
        super().__init__()
        self.grid_shape, self.codebook_size, self.num_actions = (7, 5), codebook_size, 9
        self.rule = rule
        self.steps_seen: list[int] = []

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        return (torch.zeros(batch_size, dtype=torch.int64, device=device),)

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        self.check_inputs(codes, actions)
        self.steps_seen.append(int(state[0][0]))
        logits = F.one_hot(self.rule(codes, actions), self.codebook_size).float()
        return WorldModelOutput(logits), (state[0] + 1,)


def count_up(codes: Tensor, actions: Tensor) -> Tensor:
    """The next code is one more, whatever the action."""
    return (codes + 1) % 16


def follow_action(codes: Tensor, actions: Tensor) -> Tensor:
    """The action is added to every code."""
    return (codes + actions[:, None, None]) % 16


def stand_still(codes: Tensor, actions: Tensor) -> Tensor:
    return codes
