"""From a composed configuration to a trained network."""

import logging
from pathlib import Path
from typing import Any

import lightning
import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, OmegaConf

from pacdream.command.folder import (
    Result,
    alone_in,
    checkpoint_to_go_on_from,
    keep_settings,
    noting_errors,
    read_result,
)  # fmt: skip
from pacdream.command.logging import address_of
from pacdream.command.provenance import check_same_data, provenance, store_provenance
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import build_model, check_resumable
from pacdream.core.files import write_json
from pacdream.core.instantiate import build, check_types

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Fit, report, and return the best value of the monitored metric, which a sweep minimises.

    A folder that holds the beginning of this run is gone on with; what has been done of it is not done again.
    """
    for name in ("lightning", "lightning.pytorch"):
        logging.getLogger(name).handlers.clear()  # Hydra's handler writes the same lines, and to a file
    folder = Path(HydraConfig.get().runtime.output_dir)
    with alone_in(folder):
        changed, result = keep_settings(folder, config), read_result(folder)
        if result is not None and result.reported and not changed:
            log.info("%s has finished already: nothing is left to do", folder)
            return result.score
        with noting_errors(folder):
            check_types(config)  # before anything is recorded for it
            _check_launch(config)
            return _train(config, folder).score


def _check_launch(config: DictConfig) -> None:
    """Refuse what Lightning gets wrong: its further processes would each begin the whole sweep anew."""
    devices, launched = config.trainer.get("devices"), HydraConfig.get().mode == RunMode.MULTIRUN
    alone = devices == 1 or (OmegaConf.is_list(devices) and len(devices) == 1)
    if launched and not alone:
        raise ValueError(
            f"trainer.devices={devices} in a multirun: a job trains on one device (launcher=joblib uses several GPUs, "
            "one job each); train on several devices with a command of its own"
        )


def _train(config: DictConfig, folder: Path) -> Result:
    """Train and report in a folder that no other process uses."""
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = build(config.data)
    model = build_model(config.model, data.facts())
    start = checkpoint_to_go_on_from(folder, config.resume)
    (folder / "result.json").unlink(missing_ok=True)
    if start is not None:
        check_resumable(start, model)
        check_same_data(start.parents[1], data.identities())
        log.info("going on from step %d: %s", read_checkpoint(start)["global_step"], start)
    module = build(config.module, model=model)
    callbacks, loggers = _build_all(config.get("callback")), _build_all(config.get("logger"))
    trainer = build(config.trainer, callbacks=callbacks, logger=loggers, default_root_dir=str(folder))
    try:
        _describe(trainer, config, {**provenance(), **data.identities()})
        trainer.fit(module, data, ckpt_path=start, weights_only=True)
        result = _result(trainer, reported=not config.get("report"))
        if trainer.is_global_zero:
            result.write(folder)
            _report(trainer, config, data)
            result = _result(trainer, reported=True)
            result.write(folder)
    finally:
        wandb.finish()  # or the next job of a multirun would write into this job's run
    log.info("checkpoints, curves, tables and pictures: %s", folder)
    log.info(
        "dashboard: `wandb leet %s/wandb`; with an account `wandb sync %s/wandb/<run>`", *2 * [config.paths.outputs]
    )
    return result


def _result(trainer: lightning.Trainer, reported: bool) -> Result:
    saved: Any = trainer.checkpoint_callback
    score = getattr(saved, "best_model_score", None)
    monitor = getattr(saved, "monitor", None)
    return Result(
        None if score is None else float(score), monitor, trainer.global_step, trainer.current_epoch, reported
    )


def _report(trainer: lightning.Trainer, config: DictConfig, data: Any) -> None:
    """Measure the best checkpoint, or the last if none was ever validated."""
    saved: Any = trainer.checkpoint_callback
    folder = Path(trainer.default_root_dir)
    best = getattr(saved, "best_model_path", "") or folder / "checkpoints" / "last.ckpt"
    if config.get("report") and Path(best).is_file():
        data.trainer = None  # one process measures all of the data
        build(config.report)(folder, data, Path(best), trainer.loggers, trainer.global_step)


def _describe(trainer: lightning.Trainer, config: DictConfig, made_from: dict[str, str]) -> None:
    """Store the settings and all that made this run in its folder and in its loggers."""
    if trainer.is_global_zero:
        store_provenance(Path(trainer.default_root_dir), made_from)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                write_json(Path(trainer.default_root_dir) / "wandb.json", address_of(logger))
    settings = OmegaConf.to_container(config, resolve=True)
    for logger in trainer.loggers:
        logger.log_hyperparams({**settings, "provenance": made_from})  # type: ignore[dict-item]


def _build_all(configs: DictConfig | None) -> list[Any]:
    return [build(config) for config in (configs or {}).values() if config]
