"""What the rest of the project asks of a world model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pacdream.types import State, WorldModelOutput

Sample = Callable[[Tensor], Tensor]
"""Logits (..., K) to codes (...), with whatever randomness the caller has bound."""


class WorldModel(nn.Module, ABC):
    """Predicts the next code grid from the present one, the action chosen on seeing it, and its own state.

    The state goes in and comes out, so that a planner can fork it; a module keeps nothing between calls.
    """

    grid_shape: tuple[int, int]
    """(h, w) rows and columns of a code grid."""
    codebook_size: int
    """K: codes lie in [0, K)."""
    num_actions: int
    """A: actions lie in [0, A)."""
    memory: int | None
    """Grids that a prediction can depend on, the present one included; none for all since the episode began."""
    recipe: dict[str, Any]
    """Plain numbers and strings that rebuild this module; set by ``pacdream.core.checkpoints``."""

    @abstractmethod
    def initial_state(self, batch_size: int, device: torch.device) -> State:
        """The state before the first step of an episode."""

    @abstractmethod
    def step(self, codes: Tensor, actions: Tensor, state: State) -> tuple[WorldModelOutput, State]:
        """One step.

        Args:
            codes: (B, h, w) int64, the present grid.
            actions: (B,) int64, chosen on seeing it.
            state: what the model remembers of the past.

        Returns:
            Logits (B, h, w, K) of the next grid, and the next state.
        """

    def begin_with_codes(self, features: Tensor) -> None:
        """Before training: be told what the codes stand for, (K, D) vectors that are alike where codes look alike."""

    def begin_with_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Before training: take the weights of another such network; one that can grow takes those of a smaller one.

        Raises:
            RuntimeError: they do not fit.
        """
        self.load_state_dict(weights)

    def remember(self, codes: Tensor, actions: Tensor, state: State) -> State:
        """The state after ``step``, where nobody asks what that predicts; a model that can do it for less overrides."""
        return self.step(codes, actions, state)[1]

    def forward(self, codes: Tensor, actions: Tensor) -> WorldModelOutput:
        """All steps of a window, teacher-forced: the same numbers as calling ``step`` on each.

        Args:
            codes: (B, T, h, w) int64, the grids that the actions were chosen on.
            actions: (B, T) int64.

        Returns:
            Logits (B, T, h, w, K); those at ``t`` predict the grid at ``t + 1``.
        """
        state = self.initial_state(len(codes), codes.device)
        logits = []
        for t in range(codes.shape[1]):
            output, state = self.step(codes[:, t], actions[:, t], state)
            logits.append(output.logits)
        return WorldModelOutput(torch.stack(logits, 1))

    def draw(self, output: WorldModelOutput, sample: Sample) -> Tensor:
        """Codes (..., h, w) of the next grid, each position on its own.

        A model that decodes in several passes overrides this, with what it needs in an output of its own. Calibration
        is measured on the logits all the same.
        """
        return sample(output.logits)

    def log_likelihood(self, output: WorldModelOutput, target: Tensor) -> Tensor:
        """Log-likelihood in nats (..., h, w) of each code of ``target``; to be overridden together with ``draw``."""
        return output.logits.float().log_softmax(-1).gather(-1, target[..., None]).squeeze(-1)

    def check_inputs(self, codes: Tensor, actions: Tensor) -> None:
        """Refuse codes (B, h, w) and actions (B,) of the wrong shape.

        Raises:
            ValueError: says which shape was expected.
        """
        if tuple(codes.shape[-2:]) != self.grid_shape:
            raise ValueError(f"codes of shape {tuple(codes.shape)} do not end in the grid {self.grid_shape}")
        if codes.shape[:-2] != actions.shape:
            raise ValueError(f"codes {tuple(codes.shape)} and actions {tuple(actions.shape)} differ in batch shape")


def likeliest(logits: Tensor) -> Tensor:
    """The likeliest codes (...) of logits (..., K)."""
    return logits.max(-1).indices  # argmax takes six times as long in bfloat16
