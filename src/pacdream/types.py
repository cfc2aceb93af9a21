"""The data that flows between packages.

Axis legend: ``B`` batch, ``T`` time, ``H W`` pixels (height, width), ``h w`` code-grid rows and columns,
``N`` steps of a whole data set, ``K`` codebook size, ``A`` number of actions, ``C`` palette classes, ``D`` channels.
Arrays of codes are row-major: flattening (h, w) gives position ``row * w + column``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # recording workers import this module and must not wait for torch
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Episode:
    """One episode of the game. ``actions[t]`` is chosen on seeing ``frames[t]`` and leads to ``frames[t + 1]``."""

    frames: NDArray[np.uint8]
    """(T+1, H, W) palette index of every pixel."""
    actions: NDArray[np.uint8]
    """(T,) index into the environment's action names."""
    rewards: NDArray[np.float32]
    """(T,) points."""
    terminated: NDArray[np.bool_]
    """(T,) the game was over after this step."""
    truncated: NDArray[np.bool_]
    """(T,) recording stopped after this step though the game went on."""
    lives: NDArray[np.uint8]
    """(T+1,) lives left."""
    ram: NDArray[np.uint8]
    """(T+1, 128) the console's memory."""

    def __post_init__(self) -> None:
        """Check that all arrays speak of the same number of steps."""
        steps = len(self.actions)
        lengths = {
            "frames": len(self.frames) - 1,
            "rewards": len(self.rewards),
            "terminated": len(self.terminated),
            "truncated": len(self.truncated),
            "lives": len(self.lives) - 1,
            "ram": len(self.ram) - 1,
        }
        wrong = {name: n for name, n in lengths.items() if n != steps}
        if wrong or steps == 0:
            raise ValueError(f"an episode of {steps} actions cannot have steps {wrong}")


@dataclass(frozen=True)
class Batch:
    """Base class of tensors that are learnt from together."""

    def to(self, device: torch.device) -> Self:
        """The same batch on a device; Lightning calls this, though batches are usually gathered there already."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if hasattr(value, "to")}
        return replace(self, **tensors)


@dataclass(frozen=True)
class LatentBatch(Batch):
    """A batch of windows of latent steps; with a context length of 1 each is a triplet."""

    codes: Tensor
    """(B, T+1, h, w) int64; ``codes[:, t]`` is seen when ``actions[:, t]`` is chosen."""
    actions: Tensor
    """(B, T) int64; ``actions[:, t]`` leads from ``codes[:, t]`` to ``codes[:, t + 1]``."""


@dataclass(frozen=True)
class HeldOutBatch(Batch):
    """T held-out steps in a row, each to be predicted once, and what precedes them."""

    codes: Tensor
    """(1, C+T+1, h, w) int64; the last T grids are to be predicted."""
    actions: Tensor
    """(1, C+T) int64."""
    copied: Tensor
    """(1, T, h, w) int64: what the best copier predicts, see ``metric.copies``."""
    context: int
    """C: steps that are only shown."""


@dataclass(frozen=True)
class TokenizerOutput:
    """What one training pass of a tokenizer gives."""

    logits: Tensor
    """(B, C, P, ...) one logit per palette class and pixel, pixels in the order of ``Tokenizer.fold``."""
    codes: Tensor
    """(B, h, w) int64 in [0, K)."""
    commitment_loss: Tensor
    """() the quantizer's own loss, already weighted."""


State = tuple[Any, ...]
"""A world model's memory: a nested tuple of tensors with a leading batch axis, empty if it has none."""


@dataclass(frozen=True)
class WorldModelOutput:
    """A world model's belief about the next code grid."""

    logits: Tensor
    """(B, h, w, K) for one step, (B, T, h, w, K) for a window."""

    def after(self, steps: int) -> Self:
        """What it says of a window's further steps: everything (B, T, …) without the first ``steps``."""
        return replace(self, **{field.name: getattr(self, field.name)[:, steps:] for field in fields(self)})


@dataclass(frozen=True)
class Rollout:
    """Imagined steps."""

    codes: Tensor
    """(B, T, h, w) int64; ``codes[:, t]`` is the world after ``t + 1`` imagined steps."""
    actions: Tensor
    """(B, T) int64; ``actions[:, t]`` led to ``codes[:, t]``."""
