import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from pacdream.core.checkpoints import build_model
from pacdream.rollout.step import condition, fork, predict
from pacdream.world_model.attention import AttentionWorldModel
from pacdream.world_model.base import WorldModel, likeliest
from tests.conftest import TINY_ATTENTION, compose_config

FACTS = {"grid_shape": [7, 5], "codebook_size": 16, "num_actions": 9}
CPU = torch.device("cpu")


@pytest.fixture
def model() -> AttentionWorldModel:
    return build_model(OmegaConf.create(TINY_ATTENTION), FACTS).eval()


@pytest.fixture
def window() -> tuple[Tensor, Tensor]:
    """Random codes (2, 6, 7, 5) and actions (2, 6)."""
    return torch.randint(16, (2, 6, 7, 5)), torch.randint(9, (2, 6))


@pytest.mark.parametrize(
    ("setting", "said"),
    [("memory=0", "memory=0"), ("width=31", "width=31 a multiple"), ("max_corruption=1.0", "max_corruption=1.0")],
)
def test_a_setting_that_makes_no_network_is_refused(setting: str, said: str) -> None:
    config = compose_config("train", ["experiment=attention", f"world_model.{setting}"])
    with pytest.raises(ValueError, match=said):
        build_model(config.world_model, FACTS)


def test_a_deeper_network_begins_as_the_one_whose_weights_it_gets(
    model: WorldModel, window: tuple[Tensor, Tensor]
) -> None:
    deeper = build_model(OmegaConf.create({**TINY_ATTENTION, "num_blocks": 4}), FACTS).eval()
    assert not torch.allclose(deeper(*window).logits, model(*window).logits)
    deeper.begin_with_weights(model.state_dict())
    torch.testing.assert_close(deeper(*window).logits, model(*window).logits)
    deeper(*window).logits.square().mean().backward()
    for block in deeper.blocks[2:]:  # it can leave that beginning
        assert all(last.weight.grad.abs().sum() > 0 for last in (block.conv, block.attended, block.mlp[-1]))


def test_a_network_of_fewer_blocks_or_another_width_cannot_begin_with_these_weights(model: WorldModel) -> None:
    for change in ({"num_blocks": 1}, {"width": 32}):
        other = build_model(OmegaConf.create({**TINY_ATTENTION, **change}), FACTS)
        with pytest.raises(RuntimeError, match="Error"):
            other.begin_with_weights(model.state_dict())


def test_step_by_step_equals_all_at_once(model: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(model(*window).logits, WorldModel.forward(model, *window).logits)


def test_remembering_is_a_step_without_its_prediction(model: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    state = model.initial_state(2, CPU)
    for t in range(4):
        told = model.step(codes[:, t], actions[:, t], state)[1]
        state = model.remember(codes[:, t], actions[:, t], state)
        assert all(torch.equal(a, b) for a, b in zip(state, told, strict=True))


@pytest.mark.parametrize("back", [0, 1, 2, 3])
def test_it_sees_its_memory_and_nothing_before(model: WorldModel, window: tuple[Tensor, Tensor], back: int) -> None:
    codes, actions = window
    for what in ("codes", "actions"):
        changed = {"codes": codes.clone(), "actions": actions.clone()}
        changed[what][:, -1 - back] += 1
        changed["codes"] %= 16
        changed["actions"] %= 9
        same = torch.equal(model(**changed).logits[:, -1], model(codes, actions).logits[:, -1])
        assert same == (back >= TINY_ATTENTION["memory"])


def test_every_cell_sees_every_other(model: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    changed = codes.clone()
    changed[:, -1, 0, 0] = (codes[:, -1, 0, 0] + 1) % 16
    double = model.double()
    assert (double(changed, actions).logits[:, -1] != double(codes, actions).logits[:, -1]).any(-1).all()


def test_before_it_has_learned_it_copies(model: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    assert (likeliest(model(codes, actions).logits) == codes).float().mean() > 0.9


def test_codes_that_look_alike_begin_alike(model: AttentionWorldModel) -> None:
    features = torch.randn(16, 12)
    features[3] = features[5] + 0.01
    before = model.code_embedding.weight.detach().clone()
    model.begin_with_codes(features)
    for weight in (model.code_embedding.weight.detach(), model.head.weight.detach()):
        far = torch.cdist(weight[:16], weight[:16]) + 1e3 * torch.eye(16)
        assert far[3].argmin() == 5
    assert torch.equal(model.code_embedding.weight[16], before[16])  # what was there before the episode looks like none
    assert model.code_embedding.weight[:16].std().item() == pytest.approx(1, abs=0.3)


def test_codes_begin_at_random_if_that_is_wanted() -> None:
    model = build_model(OmegaConf.create({**TINY_ATTENTION, "begin_with_codebook": False}), FACTS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.begin_with_codes(torch.randn(16, 12))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_only_training_corrupts_what_it_reads(model: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(model(*window).logits, model(*window).logits)
    assert not torch.equal(model.train()(*window).logits, model(*window).logits)


def test_corruption_replaces_at_its_rate_and_never_the_actions_but_before_a_beginning(
    model: AttentionWorldModel,
) -> None:
    grids, actions = torch.full((400, 3, 7, 5), 3), torch.full((400, 3), 4)
    rate = torch.full((400, 1), 0.2)
    corrupted, taken = model._corrupted(grids, actions, rate)
    unseen = (corrupted == model.codebook_size).all((-2, -1))
    assert torch.equal(taken == model.num_actions, unseen)
    assert not unseen[:, -1].any()
    assert not (unseen[:, 1] & ~unseen[:, 0]).any()
    assert 0.15 < (corrupted[~unseen] != 3).float().mean() < 0.22  # one in 16 is replaced by itself


def test_a_fork_of_its_state_goes_on_as_the_whole(model: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    state = condition(model, codes, actions[:, :-1])
    both, _ = predict(model, state, actions[:, -1], likeliest)
    one, _ = predict(model, fork(state, torch.tensor([1])), actions[1:, -1], likeliest)
    torch.testing.assert_close(one.output.logits, both.output.logits[1:])
