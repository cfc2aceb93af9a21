"""Measuring a run again, or several against each other."""

import logging
from collections.abc import Callable
from pathlib import Path

import wandb
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pacdream.command.run import Run, open_run
from pacdream.core.instantiate import build
from pacdream.report.compare import compare, find_runs

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Write the report of ``config.run`` anew, or compare the runs of ``config.compare``.

    Raises:
        ValueError: not a run, or one without checkpoint or report, or its data are not there any more.
    """
    here = Path(HydraConfig.get().runtime.output_dir)
    if (config.run is None) == (config.compare is None):
        raise ValueError("say what to measure: run=<folder of a run or checkpoint>, or compare=<run>,<run>,…")
    if config.compare is not None:
        paths = split_paths(config.compare) if isinstance(config.compare, str) else map(Path, config.compare)
        compare(find_runs(list(paths)), here)
        log.info("comparison: %s", here / "compare.html")
        return
    run = open_run(config.run, default=config, checkpoint=config.checkpoint)
    # The run's own record holds its best checkpoint on its own held-out episodes, and nothing else.
    own = run.is_best and config.episodes is None and config.horizon is None
    folder = run.folder if own else here
    report = _report(config, run)
    data = run.data(config.episodes)
    loggers = run.loggers() if config.log and own else []
    try:
        report(folder, data, run.checkpoint, loggers, run.global_step)
    finally:
        wandb.finish()
    log.info("report: %s", folder / "report")


def split_paths(text: str) -> list[Path]:
    """Paths separated by commas, some of which may hold commas themselves: the longest that exists is taken first."""
    pieces, paths = text.split(","), []
    while pieces:
        candidates = [",".join(pieces[:count]) for count in range(len(pieces), 0, -1)]
        chosen = next((path for path in candidates if Path(path).exists()), pieces[0])
        paths.append(Path(chosen))
        pieces = pieces[chosen.count(",") + 1 :]
    return paths


def _report(config: DictConfig, run: Run) -> Callable[..., object]:
    """The report of the run's kind, as configured here."""
    if run.report is None:
        raise ValueError(f"run={run.folder} was trained without a report: there is nothing to measure")
    settings = config.report.get(run.report)
    if settings is None:
        raise ValueError(f"run={run.folder} was trained with report={run.report}, which evaluate.yaml does not have")
    if config.horizon is not None and "horizon" in settings:
        settings.horizon = config.horizon
    report: Callable[..., object] = build(settings)
    return report
