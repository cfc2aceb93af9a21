"""Rollouts: a context of real codes, then nothing but actions."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from pacdream.policy.base import Policy
from pacdream.rollout.sampler import Greedy, Sampler
from pacdream.rollout.step import Step, check_range, condition, predict
from pacdream.types import Rollout
from pacdream.world_model.base import Sample, WorldModel


@torch.inference_mode()
def imagine(
    model: WorldModel,
    context: Tensor,
    actions: Tensor,
    sampler: Sampler | None = None,
    policy: Policy | None = None,
    horizon: int = 0,
    rows: Iterable[int] | None = None,
) -> Rollout:
    """Imagine one future per row of the batch, without gradient.

    Args:
        model: any world model.
        context: (B, C, h, w) real grids, the last being the present.
        actions: (B, C - 1 + N): the actions between the context's grids, then those of N imagined steps.
        sampler: turns logits into codes; the most likely code if there is none.
        policy: begun; chooses the actions of ``horizon`` further steps, seeing the imagined codes.
        horizon: see there.
        rows: (B,) numbers of the rollouts, which decide what each draws; 0, 1, … if not given.

    Returns:
        T = N + ``horizon`` imagined grids, and the actions that led to them.

    Raises:
        ValueError: an action or a code that the model does not have, or no step to imagine.
    """
    given = actions.shape[1] - context.shape[1] + 1
    if horizon and policy is None:
        raise ValueError(f"horizon={horizon} further steps need a policy that chooses their actions")
    if given + horizon < 1:
        raise ValueError(
            f"{actions.shape[1]} actions leave no step to imagine after a context of {context.shape[1]} grids"
        )
    check_range("action", actions, model.num_actions)
    sample = (sampler or Greedy()).begin(range(len(context)) if rows is None else rows)
    state = condition(model, context, actions[:, : context.shape[1] - 1])
    codes, taken = [], []
    for t in range(given + horizon):
        if policy and t >= given:
            action = torch.from_numpy(policy.act(state.codes)).to(context.device)
        else:
            action = actions[:, context.shape[1] - 1 + t]
        step, state = predict(model, state, action, sample)
        codes.append(step.codes)  # without the logits, which are 1,000 times as large
        taken.append(action)
    return Rollout(torch.stack(codes, 1), torch.stack(taken, 1))


def open_loop(model: WorldModel, context: Tensor, actions: Tensor, sample: Sample) -> Iterator[Step]:
    """The steps of ``imagine``, one by one: each goes on from the grid before it."""
    state = condition(model, context, actions[:, : context.shape[1] - 1])
    for action in actions[:, context.shape[1] - 1 :].unbind(1):
        step, state = predict(model, state, action, sample)
        yield step


def teacher_forced(model: WorldModel, codes: Tensor, actions: Tensor, context: int, sample: Sample) -> Iterator[Step]:
    """The same steps, but each goes on from the real grid: codes (B, C + T, h, w), actions (B, C - 1 + T)."""
    state = condition(model, codes[:, :context], actions[:, : context - 1])
    for t in range(context - 1, actions.shape[1]):
        step, state = predict(model, state, actions[:, t], sample)
        yield step
        state = state._replace(codes=codes[:, t + 1])
