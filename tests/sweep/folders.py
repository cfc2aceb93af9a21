"""Sweep folders as training leaves them, without training."""

import csv
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from pacdream.evaluation.scorecard import Reading, Scorecard, write_scorecard

EXPERIMENT = "experiment=gru_baseline"
SIZES, RATES, SEEDS = ("256", "512"), ("1e-3", "1e-4"), ("0", "1")
FIGURES = ("val/accuracy", "val/copy_accuracy", "val/skill", "val/changed_accuracy")


def make_sweep(folder: Path, settings: dict[str, Sequence[str]], more: Sequence[str] = (), **logger: Any) -> list[Path]:
    """Jobs over all combinations of the settings, none of which has left anything but its settings."""
    jobs = []
    for values in product(*settings.values()):
        swept = [f"{key}={value}" for key, value in zip(settings, values, strict=True)]
        jobs.append(make_job(folder, [EXPERIMENT, *swept, *more], **logger))
    task = [EXPERIMENT, *(f"{key}={','.join(values)}" for key, values in settings.items()), *more]
    sweeper = {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper", "params": None}
    OmegaConf.save({"hydra": {"sweeper": sweeper, "overrides": {"task": task}}}, folder / "multirun.yaml")
    return jobs


def make_job(sweep: Path, overrides: Sequence[str], **logger: Any) -> Path:
    """A job that was started, and no more."""
    folder = sweep / ",".join(sorted(text for text in overrides if not text.startswith(("experiment", "sweep"))))
    config = {
        "name": "gru_baseline",
        "seed": 0,
        "data": {"split_seed": 0, "seed": "${seed}"},
        "optimizer": {"lr": 0.001},
        "world_model": {"hidden_size": 512},
        "callback": {"checkpoint": {"monitor": "val/loss", "mode": "min", "dirpath": "${hydra:runtime.output_dir}"}},
        "logger": logger or {"csv": {}},
        "paths": {"outputs": "outputs"},
    }
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(config), folder / ".hydra" / "config.yaml")
    hydra = {"runtime": {"cwd": str(sweep), "choices": {"experiment": "gru_baseline", "optimizer": "adam"}}}
    OmegaConf.save(OmegaConf.create({"hydra": hydra}), folder / ".hydra" / "hydra.yaml")
    OmegaConf.save(OmegaConf.create(list(overrides)), folder / ".hydra" / "overrides.yaml")
    return folder


def train(job: Path, losses: Sequence[float], steps_per_epoch: int = 100, **figures: float) -> None:
    """Leave the log of a training with these validation losses, one per epoch."""
    names = ["epoch", "lr-Adam", "step", "train/loss_epoch", "train/loss_step", "val/loss", *FIGURES]
    (job / "csv").mkdir(exist_ok=True)
    with (job / "csv" / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for epoch, loss in enumerate(losses):
            step = (epoch + 1) * steps_per_epoch - 1
            writer.writerow({"lr-Adam": 0.001, "step": step - steps_per_epoch + 1})
            writer.writerow({"epoch": epoch, "step": step - 50, "train/loss_step": loss / 2})
            known = {name: 1 - loss / (i + 4) for i, name in enumerate(FIGURES)} | figures
            writer.writerow({"epoch": epoch, "step": step, "val/loss": loss, **known})
            writer.writerow({"epoch": epoch, "step": step, "train/loss_epoch": loss / 2})


def finish(job: Path, losses: Sequence[float], score: float | str | None = "best", **result: Any) -> None:
    """Leave all that a finished training leaves; its score is the lowest loss unless it is given."""
    train(job, losses)
    known = {"score": min(losses) if score == "best" else score, "monitor": "val/loss", "reported": True}
    steps = {"step": 100 * len(losses), "epoch": len(losses)}
    (job / "result.json").write_text(json.dumps({**known, **steps, **result}))


def fail(job: Path, line: str) -> None:
    """Leave what an error leaves."""
    (job / "error.txt").write_text(f"{line}\nTraceback (most recent call last):\n  File …\n")
    (job / "train.log").touch()


def measure(job: Path, value: float) -> None:
    """Leave a scorecard with the headline figures, all of one value."""
    names = ("one_step/accuracy", "one_step/changed_f1", "one_step/bits_per_frame", "open_loop/argmax/skill_area")
    figures = {name: Reading(*(np.array(value),) * 4) for name in names}
    figures["state/copy"] = Reading(*(np.array([value, 0.1]),) * 4)
    write_scorecard(job / "report" / "metrics.json", Scorecard(figures, ["all", "fruit"], {}, {"seed": 0}))


def losses_of(size: str, rate: str, seed: str) -> list[float]:
    """A falling and rising loss that is different for every job."""
    depth = 0.8 + int(size) / 5000 + float(rate) * 30 + int(seed) / 70 * (1 + int(size) / 1000)
    return [depth + 0.5, depth + 0.1, depth, depth + 0.2]


def small_sweep(folder: Path, **logger: Any) -> dict[tuple[str, str, str], Path]:
    """2 sizes x 2 learning rates x 2 seeds; the last combination has one failed and one unfinished job."""
    settings = {"world_model.hidden_size": SIZES, "optimizer.lr": RATES, "seed": SEEDS}
    jobs = dict(zip(product(SIZES, RATES, SEEDS), make_sweep(folder, settings, **logger), strict=True))
    for key, job in jobs.items():
        if key[:2] != ("512", "1e-3"):
            finish(job, losses_of(*key))
    fail(jobs["512", "1e-3", "0"], "train.py: loss is nan at step 70")
    train(jobs["512", "1e-3", "1"], [1.5, 0.1])
    return jobs
