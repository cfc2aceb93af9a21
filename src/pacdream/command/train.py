"""From a composed configuration to a trained and measured network: compose, build, fit, report."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import wandb
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from pacdream.command.check_train import check_launch, check_monitors, check_start
from pacdream.command.lock import folder_lock
from pacdream.command.logging import address_of
from pacdream.command.provenance import provenance, store_provenance
from pacdream.command.result import Result, error_file, read_result
from pacdream.command.resume import first_checkpoint
from pacdream.command.schemas import TrainSettings
from pacdream.command.settings_record import changed_settings, store_settings, unchanged_if_refused, without_effect
from pacdream.command.weights import begin_with
from pacdream.core.check_settings import check_settings
from pacdream.core.checkpoints import build_model
from pacdream.core.device import best_device
from pacdream.core.files import one_line, write_json
from pacdream.core.instantiate import build
from pacdream.world_model.base import WorldModel

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Fit, report, and return the best value of the monitored metric, which a sweep minimises.

    A folder that holds the beginning of this run is gone on with; what has been done of it is not done again.
    """
    for name in ("lightning", "lightning.pytorch"):
        logging.getLogger(name).handlers.clear()  # Hydra's handler writes the same lines, and to a file
    folder = Path(HydraConfig.get().runtime.output_dir)
    asked = deepcopy(config)  # building resolves what the machine decides
    with ExitStack() as stack:
        with unchanged_if_refused(folder):  # also if another process uses it
            stack.enter_context(folder_lock(folder))
            changed, result = changed_settings(folder, config), read_result(folder)
        if result is not None and result.reported and not changed:
            log.info("%s has finished already: nothing is left to do", folder)
            return result.score
        with error_file(folder), unchanged_if_refused(folder):
            check_settings(config, TrainSettings)  # before anything is recorded for it
            check_launch(config)
            return _fit(_build(config, folder), config, folder, asked).score


@dataclass(frozen=True)
class _Training:
    """All the parts of a training run."""

    data: Any
    module: Any
    trainer: lightning.Trainer
    report: Callable[..., object] | None
    """What measures the network at the end."""
    start: Path | None
    """The checkpoint to go on from."""
    begun_with: dict[str, str]
    """Identity of the weights that it begins with, if they are another run's."""


def _build(config: DictConfig, folder: Path) -> _Training:
    """Everything that can be refused is refused here, before the first step."""
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = build(config.data)
    data.device = torch.device("cpu") if config.trainer.accelerator == "cpu" else best_device()
    model = build_model(config.model, data.facts())
    if isinstance(model, WorldModel):
        model.begin_with_codes(data.tokenizer.code_features())
    data.memory = getattr(model, "memory", None)  # validation shows as much of the past as the model can use
    start = first_checkpoint(folder, config.resume)
    if start:
        check_start(start, model, data)
        _warn_of_what_a_checkpoint_restores(start, folder, config)
    begun_with = begin_with(config.weights, model, data) if config.weights is not None and not start else {}
    module = build(config.module, model=model)
    callbacks, loggers = _build_all(config.get("callback")), _build_all(config.get("logger"))
    check_monitors(callbacks, module)
    report: Any = build(config.report) if config.get("report") else None
    if hasattr(report, "check"):
        report.check(data)
    trainer = build(config.trainer, callbacks=callbacks, logger=loggers, default_root_dir=str(folder))
    return _Training(data, module, trainer, report, start, begun_with)


def _warn_of_what_a_checkpoint_restores(start: Path, folder: Path, config: DictConfig) -> None:
    source = start.resolve().parents[1]
    if source != folder.resolve() and (source / "settings.yaml").is_file() and (said := without_effect(source, config)):
        log.warning("optimizer, schedule and patience are those in %s, whatever is said: %s", start, ", ".join(said))


def _build_all(configs: DictConfig | None) -> list[Any]:
    return [build(config) for config in (configs or {}).values() if config]


def _fit(training: _Training, config: DictConfig, folder: Path, asked: DictConfig) -> Result:
    """Train and report in a folder that no other process uses."""
    trainer = training.trainer
    # Until its first step Lightning, too, may refuse to start; and it takes none where all has been trained.
    at_first_step = LambdaCallback(on_train_start=lambda *_: _begin(trainer, folder, asked))
    trainer.callbacks.append(at_first_step)  # type: ignore[attr-defined]
    try:
        _describe(trainer, config, {**provenance(), **training.data.identities(), **training.begun_with})
        trainer.fit(training.module, training.data, ckpt_path=training.start, weights_only=True)
        result = _result(trainer, reported=training.report is None)
        _begin(trainer, folder, asked)
        if trainer.is_global_zero:
            result.write(folder)
            if training.report is not None:
                _report(training, folder)
                result = _result(trainer, reported=True)
                result.write(folder)
    except MisconfigurationException as error:  # Lightning's word for a setting that it refuses
        raise ValueError(one_line(error)) from error
    finally:
        wandb.finish()  # or the next job of a multirun would write into this job's run
    log.info("checkpoints, curves, tables and pictures: %s", folder)
    log.info(
        "dashboard: `wandb leet %s/wandb`; with an account `wandb sync %s/wandb/<run>`", *2 * [config.paths.outputs]
    )
    return result


def _begin(trainer: lightning.Trainer, folder: Path, asked: DictConfig) -> None:
    """Let go of what speaks of earlier training, and store the settings that the run goes on with."""
    if not trainer.is_global_zero:
        return
    (folder / "result.json").unlink(missing_ok=True)
    store_settings(folder, asked, HydraConfig.get().overrides.task)


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


def _result(trainer: lightning.Trainer, reported: bool) -> Result:
    saved: Any = trainer.checkpoint_callback
    score = getattr(saved, "best_model_score", None)
    monitor = getattr(saved, "monitor", None)
    return Result(
        None if score is None else float(score), monitor, trainer.global_step, trainer.current_epoch, reported
    )


def _report(training: _Training, folder: Path) -> None:
    """Measure the best checkpoint, or the last if none was ever validated."""
    trainer = training.trainer
    best = Path(getattr(trainer.checkpoint_callback, "best_model_path", "") or folder / "checkpoints" / "last.ckpt")
    if training.report is not None and best.is_file():
        training.data.trainer = None  # one process measures all of the data
        training.report(folder, training.data, best, trainer.loggers, trainer.global_step)
