"""What is said at the end of a training run: one table, one curve, one dream."""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger, WandbLogger
from rich.console import Console
from rich.table import Table

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.baselines import unigram
from pacdream.evaluation.open_loop import OpenLoopTable, compare_open_loop
from pacdream.evaluation.plots import plot_curves, plot_horizons
from pacdream.rollout.imagine import imagine
from pacdream.rollout.video import DreamFrames, write_strip, write_video
from pacdream.runtime.checkpoints import load_model
from pacdream.runtime.files import write_json
from pacdream.types import LatentBatch
from pacdream.world_model.base import WorldModel
from pacdream.world_model.metrics import NextCodesMetric


class WorldModelReport:
    """Measures the best checkpoint on the validation episodes and shows what it dreams."""

    def __init__(
        self, context: int, horizon: int, num_windows: int, batch_size: int, strip_steps: int, fps: int
    ) -> None:
        """Configure.

        Args:
            context: real grids seen before a dream begins.
            horizon: imagined steps.
            num_windows: dreams measured, evenly spread over the validation episodes.
            batch_size: dreams at once.
            strip_steps: steps shown in the picture strip.
            fps: frames per second of the video.
        """
        self.context, self.horizon = context, horizon
        self.num_windows, self.batch_size = num_windows, batch_size
        self.strip_steps, self.fps = strip_steps, fps

    def __call__(
        self, folder: Path, data: LatentDataModule, checkpoint: Path, loggers: Sequence[Logger], step: int
    ) -> dict[str, float]:
        """Write table, curve, strip and video into the run's folder, log them, and return the headline figures."""
        device = data.codes.device
        model = load_model(checkpoint, WorldModel, device)  # type: ignore[type-abstract]
        windows = self._windows(data)
        teacher_forced = _teacher_forced(model, data)
        table = compare_open_loop(model, windows, data.train_codes(), self.context, self.batch_size)
        metrics, folder = folder / "csv" / "metrics.csv", folder / "report"
        folder.mkdir(parents=True, exist_ok=True)
        _print(table, teacher_forced)
        write_json(folder / "teacher_forced.json", teacher_forced)
        _write_csv(folder / "accuracy_by_horizon.csv", table)
        plot_horizons(folder / "accuracy_by_horizon.png", table)
        plot_curves(folder / "curves.png", metrics)
        self._write_dream(folder, model, data, windows)
        headline = _headline(table, teacher_forced)
        _log(loggers, step, headline, table, folder)
        return headline

    def _windows(self, data: LatentDataModule) -> LatentBatch:
        length = self.context + self.horizon - 1
        starts = data.cache.window_starts(data.split.val, length)
        if not len(starts):
            raise ValueError(
                f"no validation episode has the {length + 1} frames that report.context={self.context} and "
                f"report.horizon={self.horizon} need"
            )
        chosen = torch.linspace(0, len(starts) - 1, min(self.num_windows, len(starts))).long()
        return data.windows(starts[chosen], length)

    def _write_dream(self, folder: Path, model: WorldModel, data: LatentDataModule, windows: LatentBatch) -> None:
        """The dream in the middle of the validation episodes, as a strip and as a video."""
        middle = len(windows.codes) // 2
        codes, actions = windows.codes[middle : middle + 1], windows.actions[middle : middle + 1]
        imagined = imagine(model, codes[:, : self.context], actions).codes[0]
        frames = DreamFrames.decode(data.tokenizer, codes[0, self.context :], imagined)
        write_strip(folder / "dream.png", frames, self.strip_steps)
        write_video(folder / "dream.mp4", frames, self.fps)


@torch.inference_mode()
def _teacher_forced(model: WorldModel, data: LatentDataModule) -> dict[str, float]:
    """One step ahead of every validation window, from real codes: the model and what needs no model."""
    device = data.codes.device
    # One process measures all of the data: after distributed training there is nobody left to synchronise with.
    model_metric, unigram_metric = (NextCodesMetric(sync_on_compute=False).to(device) for _ in range(2))
    most_frequent = unigram(data.train_codes(), model.codebook_size)
    for batch in data.val_dataloader():
        present, target = batch.codes[:, :-1], batch.codes[:, 1:]
        model_metric.update(model(present, batch.actions).logits.argmax(-1), present, target)
        unigram_metric.update(most_frequent.expand_as(target), present, target)
    figures = {name: float(value) for name, value in model_metric.compute().items()}
    figures["unigram_accuracy"] = float(unigram_metric.compute()["accuracy"])
    figures["uniform_accuracy"] = 1 / model.codebook_size
    return figures


def _headline(table: OpenLoopTable, teacher_forced: dict[str, float]) -> dict[str, float]:
    figures = {f"report/{name}": value for name, value in teacher_forced.items()}
    for h in (1, 2, 4, 8, 15):
        if h <= len(table.skill):
            figures[f"rollout/accuracy@{h}"] = float(table.rows["world model"][h - 1])
            figures[f"rollout/copy_star@{h}"] = float(table.copy_star[h - 1])
            figures[f"rollout/skill@{h}"] = float(table.skill[h - 1])
    figures["rollout/steps_above_copy"] = float(table.steps_above_copy)
    return figures


def _print(table: OpenLoopTable, teacher_forced: dict[str, float]) -> None:
    console = Console()
    one_step = Table(title="teacher-forced, one step, all validation steps (%)")
    for name in teacher_forced:
        one_step.add_column(name.replace("_", " "), justify="right")
    one_step.add_row(*(f"{100 * value:.1f}" for value in teacher_forced.values()))
    console.print(one_step)
    grid = Table(title=f"open loop: right codes in % after h imagined steps ({table.num_windows} dreams)")
    horizons = range(len(table.copy_star))
    for heading in ("", *(str(h + 1) for h in horizons)):
        grid.add_column(heading, justify="right" if heading else "left", no_wrap=True, min_width=2)
    for name, values in table.columns.items():
        grid.add_row(name, *(f"{100 * value:.0f}" for value in values.tolist()))
    console.print(grid)
    console.print(f"the world model stays above copy* for {table.steps_above_copy} step(s)")


def _write_csv(path: Path, table: OpenLoopTable) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["horizon", *table.columns])
        for h in range(len(table.copy_star)):
            writer.writerow([h + 1, *(f"{values[h]:.6f}" for values in table.columns.values())])


def _log(loggers: Sequence[Logger], step: int, headline: dict[str, float], table: OpenLoopTable, folder: Path) -> None:
    for logger in loggers:
        logger.log_metrics(headline, step)
        logger.save()
        if isinstance(logger, WandbLogger):
            rows = [[h + 1, *(float(v[h]) for v in table.columns.values())] for h in range(len(table.copy_star))]
            logger.log_table("report/accuracy_by_horizon", ["horizon", *table.columns], rows)
            pictures = [str(folder / f"{name}.png") for name in ("accuracy_by_horizon", "curves", "dream")]
            for picture in pictures:
                logger.log_image(f"report/{Path(picture).stem}", [picture])
            logger.log_video("report/dream", [str(folder / "dream.mp4")])
