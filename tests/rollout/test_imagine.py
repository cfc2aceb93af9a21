from collections.abc import Iterable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.rollout.imagine import imagine, open_loop, teacher_forced
from pacdream.rollout.sampler import Categorical
from pacdream.rollout.step import Step
from pacdream.world_model.base import Sample, WorldModel, likeliest
from tests.rollout.scripted import ScriptedWorldModel, count_up, follow_action

CONTEXT, HORIZON = 3, 5


@pytest.fixture
def context() -> Tensor:
    return torch.randint(16, (4, CONTEXT, 7, 5))


@pytest.fixture
def actions() -> Tensor:
    return torch.randint(9, (4, CONTEXT - 1 + HORIZON))


@pytest.fixture
def real(context: Tensor) -> Tensor:
    """The context and what really came after it, (4, 8, 7, 5)."""
    return torch.cat([context, torch.randint(16, (4, HORIZON, 7, 5))], 1)


def forced(model: WorldModel, real: Tensor, actions: Tensor) -> list[Step]:
    return list(teacher_forced(model, real, actions, CONTEXT, likeliest))


class Sevens:
    """Makes seven of everything."""

    def begin(self, rows: Iterable[int]) -> Sample:
        return sevens


def sevens(logits: Tensor) -> Tensor:
    return torch.full(logits.shape[:-1], 7)


def test_greedy_rollout_equals_a_hand_loop_of_steps(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    codes, expected = context[:, -1], []
    for t in range(HORIZON):
        output, _ = gru.step(codes, actions[:, CONTEXT - 1 + t], ())
        codes = output.logits.argmax(-1)
        expected.append(codes)
    assert torch.equal(imagine(gru, context, actions).codes, torch.stack(expected, 1))


def test_each_imagined_step_follows_its_own_action(context: Tensor, actions: Tensor) -> None:
    imagined = imagine(ScriptedWorldModel(follow_action), context, actions).codes
    moved = actions[:, CONTEXT - 1 :].cumsum(1)[..., None, None]
    assert torch.equal(imagined, (context[:, -1:] + moved) % 16)


def test_the_state_passes_through_context_and_dream(context: Tensor, actions: Tensor) -> None:
    model = ScriptedWorldModel(follow_action)
    imagine(model, context, actions)
    assert model.steps_seen == list(range(CONTEXT - 1 + HORIZON))


def test_the_sampler_chooses_the_codes(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    imagined = imagine(gru, context, actions, sampler=Sevens())
    assert (imagined.codes == 7).all()


def test_a_dream_does_not_depend_on_the_rest_of_the_batch(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    alone = [imagine(gru, c, a).codes for c, a in zip(context.split(1), actions.split(1), strict=True)]
    assert torch.equal(torch.cat(alone), imagine(gru, context, actions).codes)


def test_later_actions_leave_earlier_grids_alone(context: Tensor, actions: Tensor) -> None:
    model = ScriptedWorldModel(follow_action)
    changed = actions.clone()
    changed[:, -1] = (actions[:, -1] + 1) % 9
    before, after = imagine(model, context, actions).codes, imagine(model, context, changed).codes
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.equal(before[:, -1], after[:, -1])


def test_one_seen_grid_is_context_enough(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    assert imagine(gru, context[:, :1], actions[:, :2]).codes.shape == (4, 2, 7, 5)


@pytest.mark.parametrize("action", [-1, 9])
def test_an_action_that_the_model_does_not_have_is_refused(
    gru: WorldModel, context: Tensor, actions: Tensor, action: int
) -> None:
    actions[2, 4] = action
    with pytest.raises(ValueError, match=f"action {action} is outside 0 to 8"):
        imagine(gru, context, actions)


@pytest.mark.parametrize("code", [-1, 16])
def test_a_code_that_the_model_does_not_have_is_refused(
    gru: WorldModel, context: Tensor, actions: Tensor, code: int
) -> None:
    context[1, 0, 3, 3] = code
    with pytest.raises(ValueError, match=f"code {code} is outside 0 to 15"):
        imagine(gru, context, actions)


def test_nothing_to_imagine_is_refused(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    with pytest.raises(ValueError, match="2 actions leave no step to imagine after a context of 3"):
        imagine(gru, context, actions[:, : CONTEXT - 1])


def test_a_dream_is_imagined_step_by_step(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    steps, imagined = list(open_loop(gru, context, actions, likeliest)), imagine(gru, context, actions)
    assert torch.equal(torch.stack([step.codes for step in steps], 1), imagined.codes)
    assert torch.equal(torch.stack([step.actions for step in steps], 1), imagined.actions)
    assert torch.equal(imagined.actions, actions[:, CONTEXT - 1 :])


def test_there_is_one_prediction_for_every_grid_to_predict(gru: WorldModel, real: Tensor, actions: Tensor) -> None:
    for steps in (forced(gru, real, actions), list(open_loop(gru, real[:, :CONTEXT], actions, likeliest))):
        assert len(steps) == HORIZON
        shapes = {(step.output.logits.shape, step.codes.shape, step.actions.shape) for step in steps}
        assert shapes == {((4, 7, 5, 16), (4, 7, 5), (4,))}


def test_teacher_forcing_goes_on_from_the_real_grids(real: Tensor, actions: Tensor) -> None:
    predicted = torch.stack([step.codes for step in forced(ScriptedWorldModel(count_up), real, actions)], 1)
    assert torch.equal(predicted, (real[:, CONTEXT - 1 : -1] + 1) % 16)


def test_a_dream_goes_on_from_its_own_grids(context: Tensor, actions: Tensor) -> None:
    steps = list(open_loop(ScriptedWorldModel(count_up), context, actions, sevens))
    assert (steps[0].output.logits.argmax(-1) == (context[:, -1] + 1) % 16).all()
    assert all((step.output.logits.argmax(-1) == 8).all() for step in steps[1:])
    assert all((step.codes == 7).all() for step in steps)


def test_what_was_sampled_is_not_shown_to_a_forced_model(gru: WorldModel, real: Tensor, actions: Tensor) -> None:
    sampled = teacher_forced(gru, real, actions, CONTEXT, sevens)
    for step, greedy in zip(sampled, forced(gru, real, actions), strict=True):
        assert (step.codes == 7).all()
        assert torch.equal(step.output.logits, greedy.output.logits)


def test_the_state_passes_through_a_forced_window(real: Tensor, actions: Tensor) -> None:
    model = ScriptedWorldModel(follow_action)
    forced(model, real, actions)
    assert model.steps_seen == list(range(CONTEXT - 1 + HORIZON))


def test_the_first_step_is_the_same_forced_or_dreamt(gru: WorldModel, real: Tensor, actions: Tensor) -> None:
    pairs = list(zip(forced(gru, real, actions), open_loop(gru, real[:, :CONTEXT], actions, likeliest), strict=True))
    same = [torch.equal(one.output.logits, other.output.logits) for one, other in pairs]
    assert same == [True, *[False] * (HORIZON - 1)]


@pytest.mark.parametrize("changed", range(HORIZON))
def test_a_forced_prediction_knows_only_the_grids_before_it(
    gru: WorldModel, real: Tensor, actions: Tensor, changed: int
) -> None:
    other = real.clone()
    other[:, CONTEXT + changed] = (real[:, CONTEXT + changed] + 1) % 16
    pairs = list(zip(forced(gru, real, actions), forced(gru, other, actions), strict=True))
    same = [torch.equal(before.output.logits, after.output.logits) for before, after in pairs]
    # The GRU remembers no frame, so that only the very next prediction can change.
    assert same == [t != changed + 1 for t in range(HORIZON)]


class Corner:
    """Acts by the code in the corner."""

    name = "corner"

    def begin(self, *_: object) -> None:
        pass

    def act(self, observation: Tensor) -> NDArray[np.int64]:
        return (observation[:, 0, 0] % 9).numpy()


def test_a_policy_goes_on_from_the_imagined_grids(context: Tensor, actions: Tensor) -> None:
    rollout = imagine(ScriptedWorldModel(follow_action), context, actions, policy=Corner(), horizon=4)
    assert rollout.codes.shape == (4, HORIZON + 4, 7, 5)
    assert torch.equal(rollout.actions[:, :HORIZON], actions[:, CONTEXT - 1 :])
    for t in range(HORIZON, HORIZON + 4):
        assert torch.equal(rollout.actions[:, t], rollout.codes[:, t - 1, 0, 0] % 9)
        assert torch.equal(rollout.codes[:, t], follow_action(rollout.codes[:, t - 1], rollout.actions[:, t]))


def test_a_policy_can_begin_at_the_present(context: Tensor, actions: Tensor) -> None:
    rollout = imagine(ScriptedWorldModel(follow_action), context, actions[:, : CONTEXT - 1], policy=Corner(), horizon=1)
    assert torch.equal(rollout.actions[:, 0], context[:, -1, 0, 0] % 9)


def test_steps_without_a_policy_to_choose_them_are_refused(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    with pytest.raises(ValueError, match="horizon=3 further steps need a policy"):
        imagine(gru, context, actions, horizon=3)


def test_a_sampled_rollout_does_not_depend_on_the_rest_of_the_batch(
    gru: WorldModel, context: Tensor, actions: Tensor
) -> None:
    sampler = Categorical(temperature=1.0, top_k=None, seed=0)
    together = imagine(gru, context, actions, sampler).codes
    for row in range(len(context)):
        alone = imagine(gru, context[row : row + 1], actions[row : row + 1], sampler, rows=[row]).codes
        assert torch.equal(alone[0], together[row])
    assert not torch.equal(imagine(gru, context, actions, sampler, rows=range(4, 8)).codes, together)
