"""Measuring a run again, or several against each other."""

import logging
from collections.abc import Callable
from pathlib import Path

import wandb
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pacdream.command.run import Run, open_run
from pacdream.command.schemas import EvaluateSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.device import best_device
from pacdream.core.instantiate import build
from pacdream.report.compare import compare, find_runs

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Write the report of ``config.run``, none for the run that comes with the package, or compare ``config.compare``.

    Raises:
        ValueError: not a run, or one without checkpoint, or its data are not there any more.
    """
    check_settings(config, EvaluateSettings)
    if config.checkpoint is not None and config.run is None:
        raise ValueError(f"checkpoint={config.checkpoint} needs run=<folder of the run that it belongs to>")
    here = Path(HydraConfig.get().runtime.output_dir)
    if config.run is not None and config.compare is not None:
        raise ValueError("say what to measure: run=<folder of a run or checkpoint>, or compare=[<run>,<run>], not both")
    if config.compare is not None:
        compare(find_runs(_compared([config.compare] if isinstance(config.compare, str) else config.compare)), here)
        log.info("comparison: %s", here / "compare.html")
        return
    run = open_run(config.run, default=config, checkpoint=config.checkpoint)
    # The run's own record holds its best checkpoint on its own held-out episodes, and nothing else.
    own = run.is_best and config.episodes is None and config.horizon is None
    folder = run.folder if own else here
    report = _report(config, run)
    data = run.data(config.episodes, best_device())
    loggers = run.loggers() if config.log and own else []
    try:
        report(folder, data, run.checkpoint, loggers, run.global_step)
    finally:
        wandb.finish()
    log.info("report: %s", folder / "report")


def _compared(paths: list[str]) -> list[Path]:
    for path in paths:
        if not Path(path).exists():
            raise ValueError(
                f"compare: there is no {path} (several runs are a list, in quotes if a name holds commas: "
                'compare=\'["<run>","<run>"]\')'
            )
    return [Path(path) for path in paths]


def _report(config: DictConfig, run: Run) -> Callable[..., object]:
    """What measures a network of the run's kind, as configured here."""
    if run.bare and run.kind != "world_model":
        raise ValueError(
            f"run={run.checkpoint} is of the kind {run.kind!r} and outside the folder of its run: give that folder"
        )
    settings = config.report[run.kind]
    if config.horizon is not None and "horizon" in settings:
        settings.horizon = config.horizon
    report: Callable[..., object] = build(settings)
    return report
