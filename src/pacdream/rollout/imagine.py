"""Open-loop imagination: a context of real codes, then nothing but actions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pacdream.rollout.sampler import Greedy
from pacdream.types import Rollout
from pacdream.world_model.base import WorldModel

Sampler = Callable[[Tensor], Tensor]
"""Logits (..., K) to codes (...)."""


@dataclass(frozen=True)
class Prediction:
    """What a world model says of one step of a batch."""

    logits: Tensor
    """(B, h, w, K)."""
    codes: Tensor
    """(B, h, w) the grid that was made of them."""


@torch.inference_mode()
def imagine(model: WorldModel, context: Tensor, actions: Tensor, sample: Sampler | None = None) -> Rollout:
    """Imagine one future per row of the batch.

    Args:
        model: any world model.
        context: (B, C, h, w) real grids, the last being the present.
        actions: (B, C - 1 + T): the actions between the context's grids, then those of the T imagined steps.
        sample: turns logits into codes; the most likely code if there is none.

    Returns:
        T imagined grids.

    Raises:
        ValueError: an action or a code that the model does not have, or no step to imagine.
    """
    return Rollout(torch.stack([step.codes for step in dream(model, context, actions, sample or Greedy())], 1))


def dream(model: WorldModel, context: Tensor, actions: Tensor, sample: Sampler) -> Iterator[Prediction]:
    """The steps of ``imagine``, one by one: each goes on from the grid before it."""
    return _unroll(model, context, actions, sample, real=None)


def teacher_force(
    model: WorldModel, codes: Tensor, actions: Tensor, context: int, sample: Sampler
) -> Iterator[Prediction]:
    """The same steps, but each goes on from the real grid: codes (B, C + T, h, w), actions (B, C - 1 + T)."""
    return _unroll(model, codes[:, :context], actions, sample, real=codes)


def _unroll(
    model: WorldModel, context: Tensor, actions: Tensor, sample: Sampler, real: Tensor | None
) -> Iterator[Prediction]:
    """Show the model the context, then ask it step by step, showing it its own grids or the ``real`` ones."""
    _check_range("action", actions, model.num_actions)
    _check_range("code", context, model.codebook_size)
    length = context.shape[1]
    if actions.shape[1] < length:
        raise ValueError(f"{actions.shape[1]} actions leave no step to imagine after a context of {length}")
    codes, state = context[:, 0], model.initial_state(len(context), context.device)
    for t in range(actions.shape[1]):
        if t < length:
            codes = context[:, t]
        elif real is not None:
            codes = real[:, t]
        output, state = model.step(codes, actions[:, t], state)
        if t >= length - 1:
            codes = sample(output.logits)
            yield Prediction(output.logits, codes)


def _check_range(what: str, values: Tensor, size: int) -> None:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= size:
        raise ValueError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
