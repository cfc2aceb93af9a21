import pytest
import torch
from torch import Tensor

from pacdream.rollout.imagine import Prediction, dream, imagine, teacher_force
from pacdream.rollout.sampler import Greedy
from pacdream.world_model.base import WorldModel
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


def forced(model: WorldModel, real: Tensor, actions: Tensor) -> list[Prediction]:
    return list(teacher_force(model, real, actions, CONTEXT, Greedy()))


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
    imagined = imagine(gru, context, actions, sample=sevens)
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
    steps, imagined = list(dream(gru, context, actions, Greedy())), imagine(gru, context, actions)
    assert torch.equal(torch.stack([step.codes for step in steps], 1), imagined.codes)
    assert torch.equal(torch.stack([step.actions for step in steps], 1), imagined.actions)
    assert torch.equal(imagined.actions, actions[:, CONTEXT - 1 :])


def test_there_is_one_prediction_for_every_grid_to_predict(gru: WorldModel, real: Tensor, actions: Tensor) -> None:
    for steps in (forced(gru, real, actions), list(dream(gru, real[:, :CONTEXT], actions, Greedy()))):
        assert len(steps) == HORIZON
        shapes = {(step.logits.shape, step.codes.shape, step.actions.shape) for step in steps}
        assert shapes == {((4, 7, 5, 16), (4, 7, 5), (4,))}


def test_teacher_forcing_goes_on_from_the_real_grids(real: Tensor, actions: Tensor) -> None:
    predicted = torch.stack([step.codes for step in forced(ScriptedWorldModel(count_up), real, actions)], 1)
    assert torch.equal(predicted, (real[:, CONTEXT - 1 : -1] + 1) % 16)


def test_a_dream_goes_on_from_its_own_grids(context: Tensor, actions: Tensor) -> None:
    steps = list(dream(ScriptedWorldModel(count_up), context, actions, sevens))
    assert (steps[0].logits.argmax(-1) == (context[:, -1] + 1) % 16).all()
    assert all((step.logits.argmax(-1) == 8).all() for step in steps[1:])
    assert all((step.codes == 7).all() for step in steps)


def test_what_was_sampled_is_not_shown_to_a_forced_model(gru: WorldModel, real: Tensor, actions: Tensor) -> None:
    sampled = teacher_force(gru, real, actions, CONTEXT, sevens)
    for step, greedy in zip(sampled, forced(gru, real, actions), strict=True):
        assert (step.codes == 7).all()
        assert torch.equal(step.logits, greedy.logits)


def test_the_state_passes_through_a_forced_window(real: Tensor, actions: Tensor) -> None:
    model = ScriptedWorldModel(follow_action)
    forced(model, real, actions)
    assert model.steps_seen == list(range(CONTEXT - 1 + HORIZON))


def test_the_first_step_is_the_same_forced_or_dreamt(gru: WorldModel, real: Tensor, actions: Tensor) -> None:
    pairs = list(zip(forced(gru, real, actions), dream(gru, real[:, :CONTEXT], actions, Greedy()), strict=True))
    same = [torch.equal(one.logits, other.logits) for one, other in pairs]
    assert same == [True, *[False] * (HORIZON - 1)]


@pytest.mark.parametrize("changed", range(HORIZON))
def test_a_forced_prediction_knows_only_the_grids_before_it(
    gru: WorldModel, real: Tensor, actions: Tensor, changed: int
) -> None:
    other = real.clone()
    other[:, CONTEXT + changed] = (real[:, CONTEXT + changed] + 1) % 16
    pairs = list(zip(forced(gru, real, actions), forced(gru, other, actions), strict=True))
    same = [torch.equal(before.logits, after.logits) for before, after in pairs]
    # The GRU remembers no frame, so that only the very next prediction can change.
    assert same == [t != changed + 1 for t in range(HORIZON)]


def test_an_actor_goes_on_from_the_imagined_grids(context: Tensor, actions: Tensor) -> None:
    def corner(codes: Tensor) -> Tensor:
        return codes[:, 0, 0] % 9

    rollout = imagine(ScriptedWorldModel(follow_action), context, actions, actor=corner, horizon=4)
    assert rollout.codes.shape == (4, HORIZON + 4, 7, 5)
    assert torch.equal(rollout.actions[:, :HORIZON], actions[:, CONTEXT - 1 :])
    for t in range(HORIZON, HORIZON + 4):
        assert torch.equal(rollout.actions[:, t], corner(rollout.codes[:, t - 1]))
        assert torch.equal(rollout.codes[:, t], follow_action(rollout.codes[:, t - 1], rollout.actions[:, t]))


def test_an_actor_can_begin_at_the_present(context: Tensor, actions: Tensor) -> None:
    def five(codes: Tensor) -> Tensor:
        return torch.full((len(codes),), 5)

    rollout = imagine(ScriptedWorldModel(follow_action), context, actions[:, : CONTEXT - 1], actor=five, horizon=1)
    assert torch.equal(rollout.codes[:, 0], (context[:, -1] + 5) % 16)
    assert rollout.actions.tolist() == [[5]] * 4
