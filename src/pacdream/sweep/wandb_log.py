"""The summary in Weights & Biases, in the group of the jobs."""

import logging
from collections.abc import Sequence
from pathlib import Path

import wandb
from lightning.pytorch.loggers import WandbLogger
from omegaconf import OmegaConf

from pacdream.command.logging import address_of, wandb_logger
from pacdream.core.files import write_json
from pacdream.sweep.sweep import Sweep

log = logging.getLogger(__name__)


def log_summary(sweep: Sweep, pictures: Sequence[Path], page: Path) -> None:
    """Send table, pictures and page to the summary's own W&B run, if the jobs have such runs; begun once only."""
    if (logger := summary_logger(sweep)) is None:
        return
    try:
        run = logger.experiment
        write_json(sweep.folder / "wandb.json", address_of(logger))
        jobs = sweep.table.astype(object)
        jobs = jobs.where(jobs.notna(), None)
        media = {f"summary/{path.stem.removeprefix('summary.')}": wandb.Image(str(path)) for path in pictures}
        content = wandb.Html(page.read_text(encoding="utf-8"), inject=False)
        run.log({**media, "summary/jobs": wandb.Table(list(jobs), jobs.to_numpy().tolist()), "summary/page": content})
        if sweep.best_job is not None:
            best = sweep.jobs[sweep.best_job]
            run.summary.update({"best_score": best.score, "best_job": best.name})
    except wandb.errors.Error as error:  # the files are written, and the next summary sends them again
        log.warning("the summary was not sent to W&B: %s", " ".join(str(error).split()))
    finally:
        wandb.finish()


def summary_logger(sweep: Sweep) -> WandbLogger | None:
    """A logger beside those of the jobs, nothing if they have none."""
    job = sweep.jobs[0]
    own = OmegaConf.select(job.config, "logger.wandb")
    if not own:
        return None
    ran_in = Path(str(OmegaConf.select(job.hydra, "hydra.runtime.cwd") or "."))
    return wandb_logger(
        project=own.project,
        save_dir=str(ran_in / own.save_dir if ran_in.is_dir() else own.save_dir),
        group=own.group,
        job_type="summary",
        name=f"summary of {sweep.folder.resolve().name}",
        address=str(sweep.folder / "wandb.json"),
    )
