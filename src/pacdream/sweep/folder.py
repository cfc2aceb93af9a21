"""The folder of a sweep and those of its jobs, read."""

from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import pacdream.core.resolvers  # noqa: F401 - a job's settings call them
from pacdream.command.result import read_result
from pacdream.core.files import one_line
from pacdream.evaluation.scorecard import read_scorecard
from pacdream.sweep.command import WAY_OUT, identity, planned, resume_command, settings_of
from pacdream.sweep.job import Job
from pacdream.sweep.sweep import SEED, Sweep, order

_MEASURED = (
    "report/accuracy", "report/copy_accuracy", "report/changed_f1", "report/bits_per_frame", "rollout/skill_area",
    "outcome/step/points/ap",
)  # fmt: skip
"""Headline figures of a job that was measured."""


def read_sweep(folder: Path) -> Sweep:
    """Read a sweep's folder.

    Raises:
        ValueError: it holds no jobs, or one of their files is damaged.
    """
    jobs = [read_job(path, folder) for path in job_folders(folder)]
    varying = varying_settings(jobs)
    jobs.sort(key=lambda job: ([order(job.setting(key)) for key in varying], job.name))
    return Sweep(folder, tuple(jobs), varying, *_missing(folder, jobs))


def job_folders(folder: Path) -> list[Path]:
    """The folders of a sweep's jobs, also deeper ones, as ``hydra.sweep.subdir`` may name them.

    Raises:
        ValueError: there are none, or those of several sweeps.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give that of a sweep, outputs/sweep/<name>/<time>")
    if (folder / ".hydra").is_dir():
        raise ValueError(f"{folder} is the folder of a single run: give that of a sweep, outputs/sweep/<name>/<time>")
    sweeps = sorted(path.parent for path in folder.glob("*/**/multirun.yaml"))
    if sweeps:
        raise ValueError(f"{folder} holds sweeps, not jobs: give one of them, e.g. {sweeps[-1]}")
    jobs = sorted(path.parents[1] for path in folder.glob("**/.hydra/overrides.yaml"))
    if not jobs:
        raise ValueError(f"no jobs in {folder}: give the folder of a sweep, outputs/sweep/<name>/<time>")
    return jobs


def varying_settings(jobs: Iterable[Job]) -> tuple[str, ...]:
    """Overridden settings whose value is not the same in all jobs, in the order they were typed, the seed last."""
    jobs = list(jobs)
    keys = dict.fromkeys(key for job in jobs for key in job.settings)
    varying = [key for key in keys if len({order(job.setting(key)) for job in jobs}) > 1]
    return tuple(sorted(varying, key=lambda key: key == SEED))


def read_job(folder: Path, sweep: Path) -> Job:
    """Read what a job of the sweep in ``sweep`` left.

    Raises:
        ValueError: one of its files is damaged.
    """
    source = folder / ".hydra" / "overrides.yaml"
    overrides = [str(override) for override in _read_yaml(source, ListConfig)]
    return Job(
        folder=folder,
        name=str(folder.relative_to(sweep)),
        overrides=overrides,
        settings=settings_of(overrides, source),
        config=_read_yaml(folder / ".hydra" / "config.yaml", DictConfig),
        hydra=_read_yaml(folder / ".hydra" / "hydra.yaml", DictConfig),
        result=read_result(folder),
        error=_read_error(folder / "error.txt"),
        logged=read_log(folder / "csv" / "metrics.csv"),
        measured=_read_scorecard(folder / "report" / "metrics.json"),
    )


def read_log(path: Path) -> pd.DataFrame:
    """What a job logged, empty if there is no such file. A last line without its end is still being written: left out.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return pd.DataFrame()
    try:
        whole, end, _ = path.read_text(encoding="utf-8").rpartition("\n")
        if not end:
            return pd.DataFrame()
        found = pd.read_csv(StringIO(whole), dtype=np.float64)
        if not isinstance(found.index, pd.RangeIndex):
            raise ValueError("a line is longer than the first")
        if found.reindex(columns=["step"])["step"].isna().any():
            raise ValueError("a line without step")
    except (OSError, TypeError, ValueError) as error:
        says = f"{one_line(error)}; delete it, and the summary does without its curves"
        raise ValueError(f"cannot read {path}: {says}") from error
    return found


def _read_yaml(path: Path, kind: type, way_out: str = WAY_OUT) -> Any:
    try:
        found = OmegaConf.load(path)
    except (OSError, OmegaConfBaseException, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {path}: {one_line(error)}; {way_out}") from error
    if not isinstance(found, kind):
        raise ValueError(f"cannot read {path}: it holds something else; {way_out}")
    return found


def _read_error(path: Path) -> str | None:
    if not path.is_file():
        return None
    line, _, _ = path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")
    return line or "it does not say why"


def _read_scorecard(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    headlines = read_scorecard(path).headlines()
    return {name: headlines[name] for name in _MEASURED if name in headlines}


def _missing(folder: Path, jobs: Sequence[Job]) -> tuple[int, str | None]:
    """How many jobs were never started, and the command for them and for those that have not finished."""
    path = folder / "multirun.yaml"
    hydra = _read_yaml(path, DictConfig, "delete it").get("hydra") if path.is_file() else None
    if not hydra:
        return 0, None
    there = {identity(job.overrides) for job in jobs}
    not_started = sum(job not in there for job in planned(hydra))
    undone = not_started or any(job.result is None or not job.result.reported for job in jobs)
    return not_started, resume_command(hydra, folder) if undone else None
