from pathlib import Path
from typing import Any

import torch

from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, weights_sha256
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.world_model.base import WorldModel
from tests.world_model.fitting import all_equal, configured, fit, tiny_module, weights


def test_same_seed_gives_bit_equal_weights(latents: LatentDataModule, tmp_path: Path) -> None:
    once, again = tiny_module(latents), tiny_module(latents)
    for module in (once, again):
        fit(module, latents, tmp_path, enable_checkpointing=False)
    assert all_equal(weights(once.model), weights(again.model))


def test_another_seed_gives_other_weights(latents: LatentDataModule) -> None:
    assert not all_equal(weights(tiny_module(latents, 0).model), weights(tiny_module(latents, 1).model))


def test_a_checkpoint_holds_nothing_but_plain_values(latents: LatentDataModule, tmp_path: Path) -> None:
    module = tiny_module(latents)
    fit(module, latents, tmp_path, **configured(tmp_path))
    content = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert content["recipe"] == module.model.recipe


def test_a_checkpoint_alone_rebuilds_the_model(latents: LatentDataModule, tmp_path: Path) -> None:
    module = tiny_module(latents)
    fit(module, latents, tmp_path, **configured(tmp_path))
    loaded = load_model(tmp_path / "checkpoints" / "last.ckpt", WorldModel)  # type: ignore[type-abstract]
    batch = latents.windows(latents.val_starts[:4], 1)
    codes, actions = batch.codes[:, :-1], batch.actions
    assert torch.equal(loaded(codes, actions).logits, module.model.eval()(codes, actions).logits)
    assert weights_sha256(loaded) == weights_sha256(module.model)


def test_the_best_checkpoint_is_the_one_of_least_validation_loss(latents: LatentDataModule, tmp_path: Path) -> None:
    trainer = fit(tiny_module(latents), latents, tmp_path, **configured(tmp_path))
    checkpoint: Any = trainer.checkpoint_callback
    assert Path(checkpoint.best_model_path).name == "best.ckpt"
    assert checkpoint.best_model_score == trainer.callback_metrics["val/loss"]
