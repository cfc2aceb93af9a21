"""From a composed configuration to a trained network."""

import logging
from pathlib import Path
from typing import Any

import lightning
import wandb
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, OmegaConf

from pacdream.runtime.checkpoints import build_model, check_resumable
from pacdream.runtime.files import write_json
from pacdream.runtime.instantiate import build, check_types
from pacdream.runtime.logging import address_of
from pacdream.runtime.provenance import check_same_data, provenance

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Fit, report, and return the best value of the monitored metric, which a sweep minimises."""
    logging.getLogger("lightning.pytorch").handlers.clear()  # Hydra's handler writes the same lines, and to a file
    check_types(config)  # before anything is recorded for it
    folder = Path(HydraConfig.get().runtime.output_dir)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = build(config.data)
    model = build_model(config.model, data.facts())
    if config.resume is not None:
        check_resumable(Path(config.resume), model)
        check_same_data(Path(config.resume).parents[1], data.identities())
    module = build(config.module, model=model)
    callbacks, loggers = _build_all(config.get("callback")), _build_all(config.get("logger"))
    trainer = build(config.trainer, callbacks=callbacks, logger=loggers, default_root_dir=str(folder))
    try:
        _describe(trainer, config, {**provenance(), **data.identities()})
        trainer.fit(module, data, ckpt_path=config.resume, weights_only=True)
        _report(trainer, config, data)
    finally:
        wandb.finish()  # or the next job of a multirun would write into this job's run
    log.info("checkpoints, curves, tables and pictures: %s", folder)
    log.info(
        "dashboard: `wandb leet %s/wandb`; with an account `wandb sync %s/wandb/<run>`", *2 * [config.paths.outputs]
    )
    best_score = getattr(trainer.checkpoint_callback, "best_model_score", None)
    return None if best_score is None else float(best_score)


def _report(trainer: lightning.Trainer, config: DictConfig, data: Any) -> None:
    """Measure the best checkpoint, or the last if none was ever validated."""
    saved: Any = trainer.checkpoint_callback
    best = saved and (saved.best_model_path or saved.last_model_path)
    if config.get("report") and best and trainer.is_global_zero:
        data.trainer = None  # one process measures all of the data
        build(config.report)(Path(trainer.default_root_dir), data, Path(best), trainer.loggers, trainer.global_step)


def _describe(trainer: lightning.Trainer, config: DictConfig, made_from: dict[str, str]) -> None:
    """Store the settings and all that made this run in its folder and in its loggers."""
    if trainer.is_global_zero:
        write_json(Path(trainer.default_root_dir) / "provenance.json", made_from)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                write_json(Path(trainer.default_root_dir) / "wandb.json", address_of(logger))
    settings = OmegaConf.to_container(config, resolve=True)
    for logger in trainer.loggers:
        logger.log_hyperparams({**settings, "provenance": made_from})  # type: ignore[dict-item]


def _build_all(configs: DictConfig | None) -> list[Any]:
    return [build(config) for config in (configs or {}).values() if config]
