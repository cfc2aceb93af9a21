import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from pacdream.core.checkpoints import build_model
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.types import LatentBatch
from pacdream.world_model.attention import AttentionWorldModel
from pacdream.world_model.base import WorldModel
from pacdream.world_model.loss import action_influence, next_codes_loss
from pacdream.world_model.module import WorldModelModule
from tests.conftest import TINY_ATTENTION, TINY_GRU
from tests.world_model.fitting import ADAM, fit, tiny_module

GOLDEN = Path(__file__).parents[1] / "golden" / "gru_losses.json"
VALIDATION = (
    "loss", "accuracy", "changed_accuracy", "copy_accuracy", "copy_star_accuracy", "skill", "perplexity",
    "top5_accuracy",
)  # fmt: skip


def test_all_names_of_the_schema_are_logged(latents: LatentDataModule, tmp_path: Path) -> None:
    logged = fit(tiny_module(latents), latents, tmp_path, enable_checkpointing=False).callback_metrics
    assert {"train/loss_step", "train/loss_epoch", "train/accuracy", *(f"val/{name}" for name in VALIDATION)} <= set(
        logged
    )


def test_validation_figures_are_those_of_a_naive_loop(latents: LatentDataModule, tmp_path: Path) -> None:
    module = tiny_module(latents)
    logged = fit(module, latents, tmp_path, enable_checkpointing=False).callback_metrics
    batch = latents.windows(latents.val_starts, 1)
    present, target = batch.codes[:, :-1], batch.codes[:, 1:]
    logits = module.model.eval()(present, batch.actions).logits
    top5 = (logits.topk(5).indices == target[..., None]).any(-1)
    expected = {
        "loss": next_codes_loss(logits, target),
        "perplexity": next_codes_loss(logits, target).exp(),
        "accuracy": (logits.argmax(-1) == target).float().mean(),
        "copy_accuracy": (present == target).float().mean(),
        "changed_accuracy": (logits.argmax(-1) == target)[present != target].float().mean(),
        "top5_accuracy": top5.float().mean(),
    }
    for name, value in expected.items():
        torch.testing.assert_close(logged[f"val/{name}"].float(), value.detach(), rtol=1e-4, atol=1e-5)


def test_one_batch_can_be_overfitted(latents: LatentDataModule, gru: WorldModel) -> None:
    batch = latents.windows(latents.train_starts[70:110:5], 1)
    losses = descend(gru, [batch] * 60, lr=3e-2)
    assert losses[-1] < losses[0] / 10


def test_loss_is_the_mean_negative_log_likelihood() -> None:
    logits, target = torch.randn(2, 3, 7, 5, 16), torch.randint(16, (2, 3, 7, 5))
    log_p = logits.log_softmax(-1)
    naive = [-log_p[(*place, target[place])] for place in np.ndindex(target.shape)]
    torch.testing.assert_close(next_codes_loss(logits, target), torch.stack(naive).mean())


def test_weighted_loss_is_the_weighted_mean() -> None:
    logits, target, weights = torch.randn(2, 3, 7, 5, 16), torch.randint(16, (2, 3, 7, 5)), torch.rand(2, 3, 7, 5)
    each = torch.stack([next_codes_loss(logits[place][None, None, None, None], target[place][None, None, None, None])
                        for place in np.ndindex(target.shape)])  # fmt: skip
    weighted = (each * weights.flatten()).sum() / weights.sum()
    torch.testing.assert_close(next_codes_loss(logits, target, weights), weighted)
    torch.testing.assert_close(next_codes_loss(logits, target, torch.full_like(weights, 3)), each.mean())


def test_influence_is_the_chance_that_the_other_action_leads_elsewhere() -> None:
    ours, theirs = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.1, 0.4])
    torch.testing.assert_close(action_influence(ours.log(), theirs.log()), torch.tensor(0.3))
    assert action_influence(ours.log(), ours.log() + 5) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("imagined_steps", [None, 1, 2])
def test_only_what_the_action_changes_counts_more(latents: LatentDataModule, imagined_steps: int | None) -> None:
    """A model that reads corrupted codes, but not the actions: both predictions must have drawn the same."""
    model = build_model(OmegaConf.create(TINY_ATTENTION), latents.facts())
    assert isinstance(model, AttentionWorldModel)
    assert model.max_corruption > 0
    module = WorldModelModule(model, ADAM, None, imagined_steps, action_weight=9.0)
    batch = latents.windows(latents.train_starts[:8], 3)
    with torch.no_grad():
        listening = module._predict_and_weigh(batch, 9.0)[1]
        model.action_embedding.weight.zero_()
        deaf = module._predict_and_weigh(batch, 9.0)[1]
    assert listening.shape == deaf.shape == (8, imagined_steps or 3, *model.grid_shape)
    assert (deaf == 1).all()
    assert (listening > 1).any()
    assert listening.max() <= 10


@pytest.mark.parametrize(("back", "counts"), [(1, True), (2, True), (3, False)])
def test_the_step_before_counts_as_well_as_the_frames_show_an_action_late(
    latents: LatentDataModule, back: int, counts: bool
) -> None:
    model = build_model(OmegaConf.create(TINY_ATTENTION | {"memory": 3}), latents.facts())
    assert isinstance(model, AttentionWorldModel)
    size = model.action_embedding.embedding_dim
    heard = slice((3 - back) * size, (4 - back) * size)
    with torch.no_grad():  # it hears only what was done so many steps ago
        weight = model.join_actions.weight
        kept = weight[:, heard].clone()
        weight[:, : 3 * size] = 0
        weight[:, heard] = kept
    module = WorldModelModule(model, ADAM, None, imagined_steps=1, action_weight=9.0)
    weights = module._predict_and_weigh(latents.windows(latents.train_starts[:8], 3), 9.0)[1]
    assert bool((weights > 1).any()) == counts


def test_weighing_leaves_the_draws_of_the_next_steps_to_chance(latents: LatentDataModule) -> None:
    model = build_model(OmegaConf.create(TINY_ATTENTION), latents.facts())
    module = WorldModelModule(model, ADAM, None, action_weight=9.0)
    batch = latents.windows(latents.train_starts[:4], 3)

    def two_steps() -> list[torch.Tensor]:
        torch.manual_seed(0)
        return [module._predict_and_weigh(batch, 9.0)[0].detach() for _ in range(2)]

    (one, two), again = two_steps(), two_steps()
    assert not torch.equal(one, two)
    assert torch.equal(one, again[0])
    assert torch.equal(two, again[1])


def synthetic_batch(generator: torch.Generator) -> LatentBatch:
    """Codes that mostly stay and else are moved on by the action: integers that no machine rounds differently."""
    codes = torch.randint(16, (8, 1, 7, 5), generator=generator)
    actions = torch.randint(9, (8, 1), generator=generator)
    moved = torch.randint(4, (8, 1, 7, 5), generator=generator) == 0
    return LatentBatch(torch.cat([codes, (codes + moved * actions[..., None, None]) % 16], 1), actions)


def descend(model: WorldModel, batches: Iterable[LatentBatch], lr: float) -> list[float]:
    """Train with Adam and return the loss before each step."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=lr), []
    for batch in batches:
        loss = next_codes_loss(model(batch.codes[:, :-1], batch.actions).logits, batch.codes[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_first_losses_are_the_golden_ones() -> None:
    """After a wanted change, ``PACDREAM_UPDATE_GOLDEN=1 pytest tests/world_model/test_module.py`` rewrites them."""
    facts = {"grid_shape": [7, 5], "codebook_size": 16, "num_actions": 9}
    model, generator = build_model(OmegaConf.create(TINY_GRU), facts), torch.Generator().manual_seed(0)
    losses = descend(model, (synthetic_batch(generator) for _ in range(10)), lr=1e-2)
    if os.environ.get("PACDREAM_UPDATE_GOLDEN") == "1":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps([round(loss, 6) for loss in losses]) + "\n")
    assert losses == pytest.approx(json.loads(GOLDEN.read_text()), rel=1e-3)


def test_imagined_steps_go_on_from_the_likeliest_codes(latents: LatentDataModule) -> None:
    model = build_model(OmegaConf.create(TINY_GRU), latents.facts())
    module = WorldModelModule(model, ADAM, None, imagined_steps=3)
    batch = latents.windows(latents.train_starts[:4], 5)
    logits = module._predict(batch)
    codes = batch.codes[:, 2]
    for t in range(3):
        expected = model.step(codes, batch.actions[:, 2 + t], ())[0].logits
        torch.testing.assert_close(logits[:, t], expected)
        codes = expected.argmax(-1)


def test_one_imagined_step_is_the_teacher_forced_one(latents: LatentDataModule) -> None:
    model = build_model(OmegaConf.create(TINY_ATTENTION), latents.facts()).eval()
    batch = latents.windows(latents.train_starts[:4], 3)
    imagined = WorldModelModule(model, ADAM, None, imagined_steps=1)._predict(batch)
    torch.testing.assert_close(imagined, model(batch.codes[:, :-1], batch.actions).logits[:, -1:])


def test_more_imagined_steps_than_a_window_has_are_refused(latents: LatentDataModule) -> None:
    module = tiny_module(latents)
    module.imagined_steps = 3
    with pytest.raises(ValueError, match=r"imagined_steps=3 must not exceed data.context_length=2"):
        module.training_step(latents.windows(latents.train_starts[:4], 2), 0)
