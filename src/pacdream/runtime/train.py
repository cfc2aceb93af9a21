"""From a composed configuration to a trained network."""

import logging
from pathlib import Path
from typing import Any

import lightning
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pacdream.data.files import write_json
from pacdream.runtime.checkpoints import build_model, check_resumable
from pacdream.runtime.instantiate import build, check_types
from pacdream.runtime.provenance import provenance

log = logging.getLogger(__name__)


def precision(accelerator: str) -> str:
    """``bf16-mixed`` if training will run on a CUDA device that has bfloat16, else ``32-true``."""
    on_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"


OmegaConf.register_new_resolver("precision", precision, replace=True)


def train(config: DictConfig) -> float | None:
    """Fit, report, and return the best value of the monitored metric, which a sweep minimises."""
    check_types(config)  # before anything is recorded for it
    folder = Path(HydraConfig.get().runtime.output_dir)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = build(config.data)
    model = build_model(config.model, data.facts())
    if config.resume is not None:
        check_resumable(Path(config.resume), model)
    module = build(config.module, model=model)
    trainer = build(
        config.trainer,
        callbacks=_build_all(config.callback),
        logger=_build_all(config.logger),
        default_root_dir=str(folder),
    )
    _describe(trainer, config, {**provenance(), **data.identities()})
    try:
        trainer.fit(module, data, ckpt_path=config.resume, weights_only=True)
        if config.report and trainer.is_global_zero and not trainer.fast_dev_run:
            best = Path(trainer.checkpoint_callback.best_model_path)
            build(config.report)(folder, data, best, trainer.loggers)
    finally:
        wandb.finish()  # or the next job of a multirun would write into this job's run
    log.info("checkpoints, curves, tables and pictures: %s", folder)
    log.info("dashboard: `wandb leet %s`; with an account `wandb sync %s/wandb/<run>`", *2 * [config.paths.outputs])
    best_score = getattr(trainer.checkpoint_callback, "best_model_score", None)
    return None if best_score is None else float(best_score)


def _describe(trainer: lightning.Trainer, config: DictConfig, made_from: dict[str, str]) -> None:
    """Store the settings and all that made this run in its folder and in its loggers."""
    if trainer.is_global_zero:
        write_json(Path(trainer.default_root_dir) / "provenance.json", made_from)
    settings = OmegaConf.to_container(config, resolve=True)
    for logger in trainer.loggers:
        logger.log_hyperparams({**settings, "provenance": made_from})  # type: ignore[dict-item]


def _build_all(configs: DictConfig | None) -> list[Any]:
    return [build(config) for config in (configs or {}).values() if config]
