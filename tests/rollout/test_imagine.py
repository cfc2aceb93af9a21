import pytest
import torch
from torch import Tensor

from pacdream.rollout.imagine import imagine
from pacdream.world_model.base import WorldModel
from tests.rollout.scripted import ScriptedWorldModel, follow_action

CONTEXT, HORIZON = 3, 5


@pytest.fixture
def context() -> Tensor:
    return torch.randint(16, (4, CONTEXT, 7, 5))


@pytest.fixture
def actions() -> Tensor:
    return torch.randint(9, (4, CONTEXT - 1 + HORIZON))


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
    imagined = imagine(gru, context, actions, sample=lambda logits: torch.full(logits.shape[:-1], 7))
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
