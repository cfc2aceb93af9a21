"""World models that know what they do."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import WorldModel

CERTAIN = 100.0
"""A logit above zeros that leaves nothing to chance."""


class ScriptedWorldModel(WorldModel):
    """Predicts ``rule(codes, actions)`` with certainty and remembers how many steps it has made, with which actions."""

    def __init__(self, rule: Callable[[Tensor, Tensor], Tensor], codebook_size: int = 16) -> None:
        super().__init__()
        self.grid_shape, self.codebook_size, self.num_actions = (7, 5), codebook_size, 9
        self.memory = None
        self.rule = rule
        self.steps_seen: list[int] = []
        self.actions_seen: list[Tensor] = []

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        return (torch.zeros(batch_size, dtype=torch.int64, device=device),)

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        self.check_inputs(codes, actions)
        self.steps_seen.append(int(state[0][0]))
        self.actions_seen.append(actions)
        return WorldModelOutput(self.certain(self.rule(codes, actions))), (state[0] + 1,)

    def certain(self, codes: Tensor) -> Tensor:
        """Logits (..., K) of codes (...)."""
        return CERTAIN * F.one_hot(codes, self.codebook_size).float()


class UniformWorldModel(ScriptedWorldModel):
    """Believes in nothing."""

    def __init__(self) -> None:
        super().__init__(stand_still)

    def certain(self, codes: Tensor) -> Tensor:
        return torch.zeros(*codes.shape, self.codebook_size)


class Oracle(ScriptedWorldModel):
    """Has read all windows (B, C + T, h, w), and is asked about them in their order, again and again."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__(stand_still)
        self.codes, self.asked = codes, 0

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        rows = torch.arange(self.asked, self.asked + batch_size) % len(self.codes)
        self.asked += batch_size
        return (torch.zeros(batch_size, dtype=torch.int64), rows)

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        self.check_inputs(codes, actions)
        times, rows = state
        return WorldModelOutput(self.certain(self.codes[rows, times + 1])), (times + 1, rows)


def count_up(codes: Tensor, actions: Tensor) -> Tensor:
    """The next code is one more, whatever the action."""
    return (codes + 1) % 16


def follow_action(codes: Tensor, actions: Tensor) -> Tensor:
    """The action is added to every code."""
    return (codes + actions[:, None, None]) % 16


def stand_still(codes: Tensor, actions: Tensor) -> Tensor:
    return codes
