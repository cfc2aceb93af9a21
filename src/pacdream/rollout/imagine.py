"""Open-loop imagination: a context of real codes, then nothing but actions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pacdream.policy.base import Policy
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
    actions: Tensor
    """(B,) that led to it."""


@torch.inference_mode()
def imagine(
    model: WorldModel,
    context: Tensor,
    actions: Tensor,
    sample: Sampler | None = None,
    policy: Policy | None = None,
    horizon: int = 0,
) -> Rollout:
    """Imagine one future per row of the batch, without gradient.

    Args:
        model: any world model.
        context: (B, C, h, w) real grids, the last being the present.
        actions: (B, C - 1 + N): the actions between the context's grids, then those of N imagined steps.
        sample: turns logits into codes; the most likely code if there is none.
        policy: chooses the actions of ``horizon`` further steps, seeing the imagined codes; it has begun.
        horizon: see there.

    Returns:
        T = N + ``horizon`` imagined grids, and the actions that led to them.

    Raises:
        ValueError: an action or a code that the model does not have, or no step to imagine.
    """
    steps = _unroll(model, context, actions, sample or Greedy(), None, policy, horizon)
    kept = [(step.codes, step.actions) for step in steps]  # without the logits, which are 1,000 times as large
    codes, taken = (torch.stack(part, 1) for part in zip(*kept, strict=True))
    return Rollout(codes, taken)


def dream(model: WorldModel, context: Tensor, actions: Tensor, sample: Sampler) -> Iterator[Prediction]:
    """The steps of ``imagine``, one by one: each goes on from the grid before it."""
    return _unroll(model, context, actions, sample)


def teacher_force(
    model: WorldModel, codes: Tensor, actions: Tensor, context: int, sample: Sampler
) -> Iterator[Prediction]:
    """The same steps, but each goes on from the real grid: codes (B, C + T, h, w), actions (B, C - 1 + T)."""
    return _unroll(model, codes[:, :context], actions, sample, real=codes)


def _unroll(
    model: WorldModel,
    context: Tensor,
    actions: Tensor,
    sample: Sampler,
    real: Tensor | None = None,
    policy: Policy | None = None,
    horizon: int = 0,
) -> Iterator[Prediction]:
    """Show the model the context, then ask it step by step, showing it its own grids or the ``real`` ones."""
    _check_range("action", actions, model.num_actions)
    _check_range("code", context if real is None else real, model.codebook_size)
    length, given = context.shape[1], actions.shape[1]
    if horizon and policy is None:
        raise ValueError(f"horizon={horizon} further steps need a policy that chooses their actions")
    end = given + horizon
    if end < length:
        raise ValueError(f"{given} actions leave no step to imagine after a context of {length}")
    codes, state = context[:, 0], model.initial_state(len(context), context.device)
    for t in range(end):
        if t < length:
            codes = context[:, t]
        elif real is not None:
            codes = real[:, t]
        if policy is not None and t >= given:
            action = torch.from_numpy(policy.act(codes)).to(codes.device)
        else:
            action = actions[:, t]
        output, state = model.step(codes, action, state)
        if t >= length - 1:
            codes = sample(output.logits)
            yield Prediction(output.logits, codes, action)


def _check_range(what: str, values: Tensor, size: int) -> None:
    if not values.numel():
        return
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= size:
        raise ValueError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
