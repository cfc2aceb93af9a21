"""Open-loop imagination: a context of real codes, then nothing but actions."""

from collections.abc import Callable

import torch
from torch import Tensor

from pacdream.types import Rollout
from pacdream.world_model.base import WorldModel

Sampler = Callable[[Tensor], Tensor]
"""Logits (..., K) to codes (...)."""


def greedy(logits: Tensor) -> Tensor:
    """The most likely code."""
    return logits.argmax(-1)


@torch.inference_mode()
def imagine(model: WorldModel, context: Tensor, actions: Tensor, sample: Sampler = greedy) -> Rollout:
    """Imagine one future per row of the batch.

    Args:
        model: any world model.
        context: (B, C, h, w) real grids, the last being the present.
        actions: (B, C - 1 + T): the actions between the context's grids, then those of the T imagined steps.
        sample: turns logits into codes.

    Returns:
        T imagined grids.

    Raises:
        ValueError: an action or a code that the model does not have, or no step to imagine.
    """
    length = context.shape[1]
    horizon = actions.shape[1] - length + 1
    _check_range("action", actions, model.num_actions)
    _check_range("code", context, model.codebook_size)
    if horizon < 1:
        raise ValueError(f"{actions.shape[1]} actions leave no step to imagine after a context of {length}")
    state = model.initial_state(len(context), context.device)
    for t in range(length - 1):
        _, state = model.step(context[:, t], actions[:, t], state)
    codes, imagined = context[:, -1], []
    for t in range(length - 1, length - 1 + horizon):
        output, state = model.step(codes, actions[:, t], state)
        codes = sample(output.logits)
        imagined.append(codes)
    return Rollout(torch.stack(imagined, 1))


def _check_range(what: str, values: Tensor, size: int) -> None:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= size:
        raise ValueError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
