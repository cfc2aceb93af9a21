import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from pacdream.callback.random_state import RandomState
from pacdream.callback.safe_stop import SafeStop
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, weights_sha256
from pacdream.core.csv_logger import CSVLogger
from pacdream.core.instantiate import build
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.world_model.base import WorldModel
from pacdream.world_model.module import WorldModelModule
from tests.conftest import compose_config
from tests.world_model.fitting import all_equal, fit, tiny_module, weights


def configured_checkpoint(folder: Path) -> ModelCheckpoint:
    config = compose_config("train", ["experiment=gru_baseline", f"callback.checkpoint.dirpath={folder}"])
    return build(config.callback.checkpoint)


def test_same_seed_gives_bit_equal_weights(latents: LatentDataModule, tmp_path: Path) -> None:
    once, again = tiny_module(latents), tiny_module(latents)
    for module in (once, again):
        fit(module, latents, tmp_path, enable_checkpointing=False)
    assert all_equal(weights(once.model), weights(again.model))


def test_another_seed_gives_other_weights(latents: LatentDataModule) -> None:
    assert not all_equal(weights(tiny_module(latents, 0).model), weights(tiny_module(latents, 1).model))


@pytest.mark.parametrize("saved", ["last.ckpt", "end.ckpt"])
def test_a_resumed_run_equals_an_uninterrupted_one(latents: LatentDataModule, tmp_path: Path, saved: str) -> None:
    whole, half, rest = tiny_module(latents), tiny_module(latents), tiny_module(latents, seed=1)
    fit(whole, latents, tmp_path, max_epochs=3, enable_checkpointing=False)
    interrupted = fit(half, latents, tmp_path, callbacks=[configured_checkpoint(tmp_path)])
    interrupted.save_checkpoint(tmp_path / "end.ckpt")
    callbacks = [configured_checkpoint(tmp_path)]
    resumed = fit(rest, latents, tmp_path, tmp_path / saved, max_epochs=3, callbacks=callbacks)
    assert all_equal(weights(whole.model), weights(rest.model))
    assert resumed.optimizers[0].param_groups[0]["lr"] == 1e-2 * 0.5**3


class StopAt(SafeStop):
    """Is asked to stop before a step."""

    def __init__(self, step: int) -> None:
        super().__init__(every_n_steps_on_gpu=1, save_every_minutes=10)
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *arguments: Any) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(signal.SIGTERM)
        super().on_train_batch_start(trainer, *arguments)


def rows(folder: Path) -> list[str]:
    return (folder / "csv" / "metrics.csv").read_text().splitlines()


@pytest.mark.parametrize("step", [2, 3, 4, 5, 6, 9])
def test_a_run_resumed_anywhere_equals_an_uninterrupted_one(
    latents: LatentDataModule, tmp_path: Path, step: int
) -> None:
    """Five steps to an epoch: in its middle, before its last step, between two epochs."""

    def train(name: str, module: WorldModelModule, stop: int, resume: Path | None = None) -> WorldModelModule:
        logger = CSVLogger(tmp_path / name, None, "csv", flush_logs_every_n_steps=1)
        settings = {"max_epochs": 2, "log_every_n_steps": 1, "logger": logger, "enable_checkpointing": False}
        fit(module, latents, tmp_path / name, resume, callbacks=[StopAt(stop), RandomState()], **settings)
        return module

    whole = train("whole", noisy_module(latents), -1)
    with pytest.raises(SystemExit):
        train("half", noisy_module(latents), step)
    rest = train("half", noisy_module(latents, seed=1), -1, tmp_path / "half" / "checkpoints" / "last.ckpt")
    assert all_equal(weights(whole.model), weights(rest.model))
    assert rows(tmp_path / "half") == rows(tmp_path / "whole")


def noisy_module(data: LatentDataModule, seed: int = 0) -> WorldModelModule:
    """A model that also draws random numbers in every step."""
    module = tiny_module(data, seed)
    module.model.code_embedding.register_forward_hook(lambda _, __, out: out + 0.1 * torch.rand_like(out))
    return module


def test_a_checkpoint_holds_nothing_but_plain_values(latents: LatentDataModule, tmp_path: Path) -> None:
    module = tiny_module(latents)
    fit(module, latents, tmp_path, callbacks=[configured_checkpoint(tmp_path)])
    content = read_checkpoint(tmp_path / "last.ckpt")
    assert content["recipe"] == module.model.recipe


def test_a_checkpoint_alone_rebuilds_the_model(latents: LatentDataModule, tmp_path: Path) -> None:
    module = tiny_module(latents)
    fit(module, latents, tmp_path, callbacks=[configured_checkpoint(tmp_path)])
    loaded = load_model(tmp_path / "last.ckpt", WorldModel)  # type: ignore[type-abstract]
    batch = latents.windows(latents.val_starts[:4], 1)
    codes, actions = batch.codes[:, :-1], batch.actions
    assert torch.equal(loaded(codes, actions).logits, module.model.eval()(codes, actions).logits)
    assert weights_sha256(loaded) == weights_sha256(module.model)


def test_the_best_checkpoint_is_the_one_of_least_validation_loss(latents: LatentDataModule, tmp_path: Path) -> None:
    checkpoint = configured_checkpoint(tmp_path)
    trainer = fit(tiny_module(latents), latents, tmp_path, callbacks=[checkpoint])
    assert Path(checkpoint.best_model_path).name == "best.ckpt"
    assert checkpoint.best_model_score == trainer.callback_metrics["val/loss"]
