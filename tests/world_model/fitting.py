"""Training runs small enough for a test."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import OmegaConf
from torch import Tensor
from torch.optim.lr_scheduler import StepLR

from pacdream.core.checkpoint_io import SealedCheckpointIO
from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.world_model.base import WorldModel
from pacdream.world_model.module import WorldModelModule
from tests.conftest import ROOT, TINY_GRU

ADAM = partial(torch.optim.Adam, lr=1e-2, fused=True)
HALVED_EACH_EPOCH = partial(StepLR, step_size=1, gamma=0.5)


def tiny_module(data: LatentDataModule, seed: int = 0) -> WorldModelModule:
    lightning.seed_everything(seed, verbose=False)
    model = build_model(OmegaConf.create(TINY_GRU), data.facts())
    return WorldModelModule(model, ADAM, HALVED_EACH_EPOCH)


def fit(
    module: WorldModelModule, data: LatentDataModule, folder: Path, resume: Path | None = None, **settings: Any
) -> lightning.Trainer:
    """Train on the CPU as ``runtime.train`` does, on few batches; one epoch if ``settings`` do not say otherwise."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    settings = {
        "logger": False,
        "max_epochs": 1,
        "limit_train_batches": 5,
        "plugins": [SealedCheckpointIO()],
        **settings,
    }
    trainer = lightning.Trainer(accelerator="cpu", num_sanity_val_steps=0, default_root_dir=folder, **quiet, **settings)
    trainer.fit(module, copy.copy(data), ckpt_path=resume, weights_only=True)
    return trainer


def configured(run: Path) -> dict[str, Any]:
    """The callbacks of ``conf/callback``, but for the progress bar, and the logger of ``conf/logger/csv.yaml``."""
    config: Any = OmegaConf.load(ROOT / "conf" / "callback" / "default.yaml")
    logger: Any = OmegaConf.load(ROOT / "conf" / "logger" / "csv.yaml")
    config.checkpoint.dirpath, config.progress, logger.csv.save_dir = str(run / "checkpoints"), None, str(run)
    return {"callbacks": [build(callback) for callback in config.values() if callback], "logger": build(logger.csv)}


def weights(model: WorldModel) -> list[Tensor]:
    return list(model.state_dict().values())


def all_equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))
