"""From a composed configuration to a trained network."""

import logging
from pathlib import Path
from typing import Any

import lightning
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pacdream.runtime.checkpoints import build_model
from pacdream.runtime.instantiate import build

log = logging.getLogger(__name__)


def precision(accelerator: str) -> str:
    """``bf16-mixed`` if training will run on a CUDA device that has bfloat16, else ``32-true``."""
    on_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"


OmegaConf.register_new_resolver("precision", precision, replace=True)


def train(config: DictConfig) -> float | None:
    """Fit, report, and return the metric that a sweep minimises."""
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = build(config.data)
    model = build_model(config.model, data.facts())
    module = build(config.module, model=model)
    trainer = build(
        config.trainer,
        callbacks=_build_all(config.callback),
        logger=_build_all(config.logger),
        default_root_dir=HydraConfig.get().runtime.output_dir,
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))
    try:
        trainer.fit(module, data, ckpt_path=config.resume)
        best = trainer.checkpoint_callback.best_model_path if trainer.checkpoint_callback else ""
        if config.report and best and trainer.is_global_zero:
            build(config.report)(trainer, data, Path(best))
    finally:
        wandb.finish()  # or the next job of a multirun would write into this job's run
    metric = trainer.callback_metrics.get(config.optimized_metric)
    return None if metric is None else float(metric)


def _build_all(configs: DictConfig | None) -> list[Any]:
    return [build(config) for config in (configs or {}).values() if config]
