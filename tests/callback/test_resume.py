"""A run that is stopped before any step and goes on equals one that was not stopped, to the last bit."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pacdream.callback.safe_stop import SafeStop
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.world_model.module import WorldModelModule
from tests.world_model.fitting import all_equal, configured, fit, tiny_module, weights

WAYS: dict[str, dict[str, Any]] = {
    "epochs": {"max_epochs": 2},
    "plateau": {"max_epochs": 2},
    "steps": {"max_epochs": -1, "max_steps": 10, "val_check_interval": 2, "check_val_every_n_epoch": None},
    "validation in epochs": {"max_epochs": 2, "val_check_interval": 2},
    "accumulated gradients": {"max_epochs": 2, "limit_train_batches": 10, "accumulate_grad_batches": 2},
}
"""Five steps make an epoch."""


class StopAt(SafeStop):
    """Is told to stop before a step."""

    def __init__(self, step: int | None) -> None:
        super().__init__(every_n_steps_on_gpu=1, save_every_minutes=10)
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *arguments: Any) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(signal.SIGTERM)
        super().on_train_batch_start(trainer, *arguments)


def noisy_module(data: LatentDataModule, seed: int, way: str) -> WorldModelModule:
    """A model that also draws random numbers in every step."""
    module = tiny_module(data, seed)
    module.model.code_embedding.register_forward_hook(lambda _, __, out: out + 0.1 * torch.rand_like(out))
    if way == "plateau":
        module._make_scheduler = partial(ReduceLROnPlateau, factor=0.5, patience=0, threshold=1.0)
    return module


def train(data: LatentDataModule, run: Path, way: str, stop: int | None = None, **more: Any) -> WorldModelModule:
    """Begin a run, or go on with it."""
    last = run / "checkpoints" / "last.ckpt"
    module = noisy_module(data, int(last.exists()), way)
    settings = {"log_every_n_steps": 1, **configured(run), **WAYS[way], **more}
    settings["callbacks"][0] = StopAt(stop)
    fit(module, data, run, last if last.exists() else None, **settings)
    return module


def rows(run: Path) -> list[str]:
    return (run / "csv" / "metrics.csv").read_text().splitlines()


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(latents: LatentDataModule, tmp_path_factory: pytest.TempPathFactory, way: str) -> tuple[Path, Any]:
    """The folder and the module of a run that was not stopped."""
    run = tmp_path_factory.mktemp("whole")
    return run, train(latents, run, way)


@pytest.mark.parametrize("step", [2, 4, 5, 6])
def test_a_stopped_run(
    latents: LatentDataModule, tmp_path: Path, whole: tuple[Path, WorldModelModule], way: str, step: int
) -> None:
    """In the middle of an epoch, before its last step, between two epochs, after the first step."""
    with pytest.raises(SystemExit):
        train(latents, tmp_path, way, stop=step)
    module = train(latents, tmp_path, way)
    assert all_equal(weights(whole[1].model), weights(module.model))
    assert rows(tmp_path) == rows(whole[0])


@pytest.mark.parametrize("step", [3, 4, 5])
def test_a_finished_run_that_is_given_more_steps(latents: LatentDataModule, tmp_path: Path, step: int) -> None:
    """Where its epoch is over, and where it is not, after a validation and not."""
    whole = train(latents, tmp_path / "whole", "steps")
    train(latents, tmp_path / "run", "steps", max_steps=step)
    module = train(latents, tmp_path / "run", "steps")
    assert all_equal(weights(whole.model), weights(module.model))


def test_a_finished_run_that_is_given_more_epochs(latents: LatentDataModule, tmp_path: Path) -> None:
    whole = train(latents, tmp_path / "whole", "epochs")
    train(latents, tmp_path / "run", "epochs", max_epochs=1)
    module = train(latents, tmp_path / "run", "epochs")
    assert all_equal(weights(whole.model), weights(module.model))
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_a_checkpoint_of_lightning_itself(latents: LatentDataModule, tmp_path: Path) -> None:
    """As of an earlier version of this project: it does not say how long the curves are, and none are dropped."""
    whole = train(latents, tmp_path / "whole", "epochs")
    module = noisy_module(latents, 0, "epochs")
    settings = configured(tmp_path)
    trainer = fit(module, latents, tmp_path, **{**settings, "callbacks": settings["callbacks"][1:]})
    trainer.save_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert all_equal(weights(whole.model), weights(train(latents, tmp_path, "epochs").model))


def test_curves_of_a_start_that_failed_before_its_first_checkpoint_are_begun_anew(
    latents: LatentDataModule, tmp_path: Path
) -> None:
    train(latents, tmp_path, "epochs")
    once = rows(tmp_path)
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    train(latents, tmp_path, "epochs")
    assert rows(tmp_path) == once
