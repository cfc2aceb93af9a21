import pytest
import torch
from torch import Tensor

from pacdream.core.checkpoints import build_model
from pacdream.world_model.base import WorldModel
from tests.conftest import compose_config

FACTS = {"grid_shape": [7, 5], "codebook_size": 256, "num_actions": 9}
CPU = torch.device("cpu")


@pytest.fixture
def window(gru: WorldModel) -> tuple[Tensor, Tensor]:
    """Random codes (3, 4, 7, 5) and actions (3, 4)."""
    return torch.randint(gru.codebook_size, (3, 4, 7, 5)), torch.randint(gru.num_actions, (3, 4))


def configured(*overrides: str) -> WorldModel:
    config = compose_config("train", ["experiment=gru_baseline", *overrides])
    return build_model(config.world_model, FACTS)


def test_configured_baseline_has_the_parameters_of_the_write_up() -> None:
    assert sum(parameter.numel() for parameter in configured().parameters()) == 2_612_032


@pytest.mark.parametrize("setting", ["embedding_dim", "hidden_size", "num_layers"])
def test_a_size_below_one_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=rf"{setting}=0.* must all be at least 1"):
        configured(f"world_model.{setting}=0")


def test_state_is_empty(gru: WorldModel) -> None:
    assert gru.initial_state(3, CPU) == ()


def test_step_returns_logits_of_the_grid_and_the_state_it_got(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    output, state = gru.step(codes[:, 0], actions[:, 0], ())
    assert output.logits.shape == (3, 7, 5, gru.codebook_size)
    assert state == ()


def test_step_by_step_equals_all_at_once(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(gru(*window).logits, WorldModel.forward(gru, *window).logits)


def test_later_codes_leave_earlier_logits_alone(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    changed = codes.clone()
    changed[:, 2:] = (codes[:, 2:] + 1) % gru.codebook_size
    assert torch.equal(gru(changed, actions).logits[:, :2], gru(codes, actions).logits[:, :2])


def test_later_actions_leave_earlier_logits_alone(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    changed = actions.clone()
    changed[:, 2:] = (actions[:, 2:] + 1) % gru.num_actions
    assert torch.equal(gru(codes, changed).logits[:, :2], gru(codes, actions).logits[:, :2])


def test_the_action_changes_the_logits_of_every_position(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    difference = gru(codes, (actions + 1) % gru.num_actions).logits - gru(codes, actions).logits
    assert (difference.abs().amax(-1) > 1e-6).all()


@pytest.mark.parametrize("position", [0, 1, 17, 33])
def test_a_position_does_not_see_later_positions(gru: WorldModel, window: tuple[Tensor, Tensor], position: int) -> None:
    codes, actions = window
    changed = codes.flatten(2).clone()
    changed[..., position + 1 :] = (changed[..., position + 1 :] + 1) % gru.codebook_size
    before, after = (gru(grid, actions).logits.flatten(2, 3) for grid in (codes, changed.view_as(codes)))
    assert torch.equal(before[:, :, : position + 1], after[:, :, : position + 1])
    assert not torch.equal(before[:, :, position + 1], after[:, :, position + 1])


def test_the_last_position_sees_the_first(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    model, (codes, actions) = gru.double(), window
    changed = codes.clone()
    changed[:, :, 0, 0] = (codes[:, :, 0, 0] + 1) % gru.codebook_size
    assert not torch.equal(model(codes, actions).logits[:, :, -1, -1], model(changed, actions).logits[:, :, -1, -1])


def test_a_row_does_not_depend_on_the_rest_of_the_batch(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    alone = torch.cat([gru(codes[b : b + 1], actions[b : b + 1]).logits for b in range(len(codes))])
    torch.testing.assert_close(alone, gru(codes, actions).logits)


def test_transposed_grids_are_refused(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    with pytest.raises(ValueError, match=r"do not end in the grid \(7, 5\)"):
        gru(codes.mT, actions)


def test_codes_and_actions_of_different_batches_are_refused(gru: WorldModel, window: tuple[Tensor, Tensor]) -> None:
    codes, actions = window
    with pytest.raises(ValueError, match="differ in batch shape"):
        gru.step(codes[:, 0], actions[:2, 0], ())
