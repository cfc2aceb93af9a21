import pytest
import torch
from torch import Tensor

from pacdream.rollout.sampler import Categorical
from pacdream.rollout.step import RolloutState, condition, fork, predict
from pacdream.world_model.base import WorldModel, likeliest
from tests.rollout.scripted import ScriptedWorldModel, follow_action, stand_still

CONTEXT = 5


@pytest.fixture
def context() -> Tensor:
    return torch.randint(16, (4, CONTEXT, 7, 5))


@pytest.fixture
def actions() -> Tensor:
    return torch.randint(9, (4, CONTEXT - 1))


@pytest.mark.parametrize(("memory", "shown"), [(None, 4), (1, 0), (2, 1), (5, 4), (9, 4)])
def test_a_model_is_shown_as_much_of_the_past_as_it_can_use(
    context: Tensor, actions: Tensor, memory: int | None, shown: int
) -> None:
    model = ScriptedWorldModel(stand_still)
    model.memory = memory
    state = condition(model, context, actions)
    assert torch.equal(state.codes, context[:, -1])
    assert [seen.tolist() for seen in model.actions_seen] == actions.T.tolist()[CONTEXT - 1 - shown :]


def test_a_prediction_goes_on_from_its_own_grid(context: Tensor, actions: Tensor) -> None:
    model, chosen = ScriptedWorldModel(follow_action), torch.tensor([1, 2, 3, 4])
    step, state = predict(model, condition(model, context, actions), chosen, likeliest)
    assert torch.equal(step.codes, follow_action(context[:, -1], chosen))
    assert torch.equal(state.codes, step.codes)
    assert torch.equal(step.actions, chosen)


def test_a_fork_repeats_and_selects_states() -> None:
    codes, memory = torch.arange(3)[:, None, None].expand(-1, 7, 5), torch.arange(3)
    state = RolloutState(codes, (memory, (memory[:, None],)))
    forked = fork(state, torch.tensor([2, 0, 0, 2]))
    assert forked.codes[:, 0, 0].tolist() == [2, 0, 0, 2]
    assert forked.memory[0].tolist() == [2, 0, 0, 2]
    assert forked.memory[1][0].tolist() == [[2], [0], [0], [2]]


def test_branches_of_one_present_are_those_imagined_alone(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    present = condition(gru, context, actions)
    sampler = Categorical(temperature=1.0, top_k=None, seed=0)
    branches = fork(present, torch.tensor([1] * 9))
    together, _ = predict(gru, branches, torch.arange(9), sampler.begin(range(9)))
    for action in range(9):
        alone, _ = predict(gru, fork(present, torch.tensor([1])), torch.tensor([action]), sampler.begin([action]))
        assert torch.equal(alone.codes[0], together.codes[action])


def test_predicting_leaves_the_state_as_it_was(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    state = condition(gru, context, actions)
    before = state.codes.clone()
    predict(gru, state, torch.zeros(4, dtype=torch.int64), likeliest)
    assert torch.equal(state.codes, before)


@pytest.mark.parametrize("count", [3, 5])
def test_a_context_with_too_few_or_too_many_actions_is_refused(gru: WorldModel, context: Tensor, count: int) -> None:
    with pytest.raises(ValueError, match=f"a context of 5 grids needs 4 actions between them, not {count}"):
        condition(gru, context, torch.zeros(4, count, dtype=torch.int64))


def test_an_empty_context_is_refused(gru: WorldModel, context: Tensor, actions: Tensor) -> None:
    with pytest.raises(ValueError, match="a context of 0 grids"):
        condition(gru, context[:, :0], actions)
