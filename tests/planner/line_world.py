"""A line to walk on: a few points for each step at its right end, many in a deadly trap to the left, walls."""

import torch
from torch import Tensor

from pacdream.outcome.network import OutcomeLogits, OutcomeNetwork
from pacdream.outcome.span_network import SpanNetwork
from pacdream.planner.imagination import Imagination
from pacdream.planner.judge import Judge
from pacdream.planner.prospects import Present
from pacdream.rollout.step import condition
from pacdream.types import State, WorldModelOutput
from pacdream.world_model.base import WorldModel

LENGTH, START, TRAP = 11, 5, 2  # the trap is three steps away
STAY, RIGHT, LEFT = range(3)
CERTAIN = 60.0


class LineWorld(WorldModel):
    """Grid (1, LENGTH): 1 where the player stands, 0 elsewhere; who walks into a wall stays."""

    def __init__(self) -> None:
        super().__init__()
        self.grid_shape, self.codebook_size, self.num_actions, self.memory = (1, LENGTH), 2, 3, 1
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches: list[int] = []

    def initial_state(self, batch_size: int, device: torch.device) -> State:
        return (torch.zeros(batch_size, dtype=torch.int64, device=device),)

    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        self.batches.append(len(codes))
        return WorldModelOutput(CERTAIN * torch.nn.functional.one_hot(walk(codes, actions), 2).float()), (state[0] + 1,)


class LineOutcome(OutcomeNetwork):
    """10 points for each step that ends at the right end, 100 and death for one that ends in the trap."""

    def __init__(self, sees_death: bool = True, after: int = 0) -> None:
        super().__init__((1, LENGTH), 2, 3, [0.0, 10.0, 100.0], [0.8, 0.1, 0.1], [0.1] * 4, 0.1, 0, after, 1, 8, 1)
        self.sees_death = sees_death

    def forward(self, codes: Tensor, actions: Tensor) -> OutcomeLogits:
        place = codes[:, 1, 0].argmax(-1)
        earned = torch.zeros_like(place)
        earned[place == LENGTH - 1] = 1
        earned[place == TRAP] = 2
        dies = (place == TRAP) & self.sees_death
        lost = torch.where(dies, CERTAIN, -CERTAIN)[:, None].expand(-1, 4)
        return OutcomeLogits(CERTAIN * torch.nn.functional.one_hot(earned, 3).float(), lost, lost[:, 0])


class LineSpans(SpanNetwork):
    """40 points for being at the right end, however long, and whatever happened before."""

    def __init__(self, before: int = 0, after: int = 0) -> None:
        super().__init__((1, LENGTH), 2, 10.0, 30, before, after, 1, 8, 1)

    def forward(self, codes: Tensor, spans: Tensor) -> Tensor:
        return 40.0 * (codes[:, self.before + 1, 0].argmax(-1) == LENGTH - 1)


def grid(*places: int) -> Tensor:
    """Grids (B, 1, LENGTH) of players at these places."""
    return torch.nn.functional.one_hot(torch.tensor(places), LENGTH)[:, None]


def walk(codes: Tensor, actions: Tensor) -> Tensor:
    place = codes[:, 0].argmax(-1) + (actions == RIGHT).long() - (actions == LEFT).long()
    return grid(*place.clamp(0, LENGTH - 1).tolist())


def present(*places: int) -> Present:
    """Games in which the players stand at these places."""
    now, none = grid(*places), torch.zeros(len(places), 0, dtype=torch.int64)
    state = condition(LineWorld(), now[:, None], none)
    return Present(state, now[:, None][:, :0], none, None, None, [STAY] * len(places))


def dream(sees_death: bool = True, batch_size: int = 1000) -> Imagination:
    return Imagination(LineWorld(), Judge(LineOutcome(sees_death), batch_size))
