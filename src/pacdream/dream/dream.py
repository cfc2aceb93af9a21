"""B dreams side by side, each acted in on its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.outcome.network import OVER_WITHIN, OutcomeNetwork
from pacdream.planner.judge import check_fit
from pacdream.rollout.precision import autocast
from pacdream.rollout.sampler import Sampler
from pacdream.rollout.step import RolloutState, condition, predict
from pacdream.world_model.base import WorldModel

Ends = Literal["life", "game"]
"""What ends a dream: the loss of a life, or that of the last one."""


@dataclass(frozen=True)
class Starts:
    """Moments of held-out episodes in which a dream can begin."""

    codes: Tensor
    """(N, h, w) all grids."""
    actions: Tensor
    """(N,) all actions."""
    first: Tensor
    """(M,) the first grid of each context."""
    context: int
    """C: grids of a context."""

    @staticmethod
    def of(data: LatentDataModule, context: int) -> "Starts":
        """All moments of the held-out episodes that ``context`` - 1 grids precede.

        Raises:
            ValueError: there is none.
        """
        first = data.cache.window_starts(data.split.val, context).long()
        if not len(first):
            raise ValueError(f"no held-out episode is longer than context={context} steps: choose a shorter one")
        return Starts(data.codes, data.actions, first, context)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Grids (C, h, w) and the actions (C - 1,) between them."""
        begin = int(self.first[int(rng.integers(len(self.first)))])
        end = begin + self.context
        return self.codes[begin:end].long(), self.actions[begin : end - 1].long()


@dataclass(frozen=True)
class DreamStep:
    """What B actions led to."""

    codes: Tensor
    """(B, h, w)."""
    rewards: NDArray[np.float64]
    """(B,) expected points. They come as late as the outcome network needs grids to see them."""
    terminated: NDArray[np.bool_]
    """(B,) a life, or the game, was lost: drawn by its probability."""
    truncated: NDArray[np.bool_]
    """(B,) the dream was long enough."""
    lost: NDArray[np.float64]
    """(B,) the probability that it was drawn by."""


class Dream:
    """A world model and an outcome network, stepped by whoever acts.

    Each row draws its start, its codes and its deaths from a generator of its own: it depends on no other row.
    """

    def __init__(
        self,
        model: WorldModel,
        outcome: OutcomeNetwork,
        starts: Starts,
        sampler: Sampler,
        rows: int,
        horizon: int,
        ends: Ends,
        precision: str = "32-true",
    ) -> None:
        """``horizon``: steps after which a dream is cut; for ``precision`` see ``rollout.precision``.

        Raises:
            ValueError: model and outcome network do not fit, or a horizon below 1, or an unknown end or precision.
        """
        check_fit(model, outcome)
        autocast(torch.device("cpu"), precision)
        if horizon < 1:
            raise ValueError(f"horizon={horizon} must be at least 1")
        if ends not in ("life", "game"):
            raise ValueError(f"ends={ends!r} is unknown: choose life or game")
        self.model, self.outcome, self.starts = model, outcome, starts
        self.horizon, self.ends, self.precision = horizon, ends, precision
        self.age = np.zeros(rows, np.int64)
        """(B,) imagined steps since each began."""
        self._rngs: list[np.random.Generator] = [np.random.default_rng(0)] * rows
        self._generators = [torch.Generator()] * rows
        self._sample = sampler.drawing_with(self._generators)
        self._device = starts.codes.device
        grid = model.grid_shape
        self._state = RolloutState(
            torch.zeros(rows, *grid, dtype=torch.int64, device=self._device), model.initial_state(rows, self._device)
        )
        self._codes = torch.zeros(rows, outcome.grids, *grid, dtype=torch.int64, device=self._device)
        self._actions = torch.zeros(rows, outcome.grids - 1, dtype=torch.int64, device=self._device)

    @property
    def codes(self) -> Tensor:
        """(B, h, w) the present grids."""
        return self._state.codes

    @torch.inference_mode()
    def begin(self, rows: Sequence[int], rngs: Sequence[np.random.Generator]) -> None:
        """Let these rows begin anew, drawing from these generators from now on."""
        drawn = [self.starts.draw(rng) for rng in rngs]
        contexts, actions = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        for row, rng in zip(rows, rngs, strict=True):
            self._rngs[row] = rng
            self._generators[row] = torch.Generator().manual_seed(int(rng.integers(2**63)))
        index = torch.tensor(list(rows), device=self._device)
        _put(self._state, index, condition(self.model, contexts, actions))
        grids = self.outcome.grids
        self._codes[index] = contexts[:, :1]  # where the context is shorter than what is judged
        known = min(grids, contexts.shape[1])
        self._codes[index, grids - known :] = contexts[:, contexts.shape[1] - known :]
        self._actions[index] = 0
        self._actions[index, grids - known :] = actions[:, actions.shape[1] - known + 1 :]
        self.age[list(rows)] = 0

    @torch.inference_mode()
    def step(self, actions: NDArray[np.int64]) -> DreamStep:
        """Imagine one step of every row.

        Args:
            actions: (B,).

        Raises:
            ValueError: an action that the game does not have.
        """
        if len(bad := actions[(actions < 0) | (actions >= self.model.num_actions)]):
            raise ValueError(f"action {bad[0]} is none of 0 to {self.model.num_actions - 1}")
        taken = torch.from_numpy(actions).to(self._device)
        with autocast(self._device, self.precision):
            step, self._state = predict(self.model, self._state, taken, self._sample)
        self._codes = torch.cat([self._codes[:, 1:], step.codes[:, None]], 1)
        self._actions = torch.cat([self._actions[:, 1:], taken[:, None]], 1)
        self.age += 1
        with autocast(self._device, self.precision):
            logits = self.outcome(self._codes, self._actions[:, self.outcome.before])
        judged = self.age > self.outcome.after
        points = (logits.points.softmax(-1) @ self.outcome.points).cpu().double().numpy()
        if self.ends == "life":
            ends = logits.lost[:, 0].cpu().double().sigmoid()
        else:  # that the game is over within some steps is told at each of them, and drawn at each
            ends = 1 - (1 - logits.over.cpu().double().sigmoid()) ** (1 / OVER_WITHIN)
        lost = np.where(judged, ends.numpy(), 0.0)
        drawn = np.array([rng.random() for rng in self._rngs])
        return DreamStep(step.codes, np.where(judged, points, 0.0), drawn < lost, self.age >= self.horizon, lost)


def _put(state: Any, rows: Tensor, new: Any) -> None:
    """Write nested tensors (R, ...) into these rows (R,) of nested tensors (B, ...)."""
    if isinstance(state, Tensor):
        state[rows] = new.to(state.dtype)  # a state that was left by a step in half precision
        return
    for part, new_part in zip(state, new, strict=True):
        _put(part, rows, new_part)
