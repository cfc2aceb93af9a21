"""The report in Weights & Biases: the same numbers and pictures, where the run's curves are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import Logger, WandbLogger

from pacdream.evaluation.measure import Measurement
from pacdream.metric.figures import CURVES

PICTURES = (
    "accuracy_by_horizon",
    "changed_codes",
    "positions",
    "calibration",
    "game",
    "control",
    "confusion",
    "dream",
    "curves",
)


def log_report(
    loggers: Sequence[Logger], step: int, headlines: Mapping[str, float], done: Measurement, folder: Path
) -> None:
    """Headlines to every logger; curves, pictures, videos, the page and the worst predictions to W&B."""
    for logger in loggers:
        logger.log_metrics(dict(headlines), step)
        logger.save()
        if isinstance(logger, WandbLogger):
            _log_media(logger.experiment, headlines, done, folder)


def _log_media(run: "wandb.Run", headlines: Mapping[str, float], done: Measurement, folder: Path) -> None:
    run.define_metric("horizon", hidden=True)
    run.define_metric("open_loop/*", step_metric="horizon")
    card = done.card
    known = {key: card.figures[name] for key, name in CURVES.items() if name in card.figures}
    for h in range(1, done.windows.horizon + 1):
        run.log({"horizon": h, **{key: float(reading.value[h - 1]) for key, reading in known.items()}})
    run.summary.update(dict(headlines))
    media: dict[str, Any] = {f"report/{name}": wandb.Image(str(folder / f"{name}.png")) for name in PICTURES}
    media |= {
        f"report/{path.stem}": wandb.Video(str(path), format="mp4") for path in sorted(folder.glob("dream_*.mp4"))
    }
    run.log({**media, "report/page": wandb.Html((folder / "report.html").read_text(encoding="utf-8"), inject=False)})
    worst = wandb.Table(columns=["bits", "episode", "step", "before, after, predicted"])
    for i, surprise in enumerate(done.worst):
        frames = wandb.Image(str(folder / f"worst_{i:02d}.png"))
        worst.add_data(surprise.bits, surprise.episode, surprise.step, frames)
    run.log({"report/worst_predictions": worst})
