"""A sweep's jobs, and what they say together: seeds averaged, combinations of settings compared."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from omegaconf import DictConfig

from pacdream.sweep.command import identity, planned, resume_command
from pacdream.sweep.job import Job, load_yaml, read_job

SEED = "seed"
"""The setting over which is averaged."""


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    mean: float
    """NaN if no job has the figure."""
    std: float
    """Sample standard deviation (n - 1), NaN for fewer than two."""
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """Mean and sample standard deviation."""
        mean = statistics.fmean(values) if values else math.nan
        return Spread(mean, statistics.stdev(values) if len(values) > 1 else math.nan, len(values))


@dataclass(frozen=True)
class Combination:
    """Jobs that differ in their seed only."""

    values: tuple[str, ...]
    """Of the settings that vary, as typed."""
    jobs: tuple[Job, ...]

    def over_seeds(self, figure: str) -> Spread:
        """A figure over those that have finished: of the others it would be of half a training."""
        finished = (job.figures for job in self.jobs if job.status == "finished")
        return Spread.of([figures[figure] for figures in finished if figure in figures])

    @cached_property
    def score(self) -> Spread:
        """The score over seeds."""
        return self.over_seeds("score")


@dataclass(frozen=True)
class Sweep:
    """The jobs of one multirun, as its folder has them."""

    folder: Path
    jobs: tuple[Job, ...]
    """By the values of their settings."""
    varying: tuple[str, ...]
    """Settings that are not the same in all jobs, the seed last."""
    not_started: int
    """Jobs that the command asks for and that have no folder."""
    resume: str | None
    """The command that does what is missing; nothing if nothing is, or if it is not known."""

    @property
    def settings(self) -> tuple[str, ...]:
        """Settings that vary, but for the seed."""
        return tuple(key for key in self.varying if key != SEED)

    @cached_property
    def combinations(self) -> list[Combination]:
        """The best mean score first, those without a score last."""
        return sorted(combine(self.jobs, self.settings), key=self._rank)

    @property
    def monitor(self) -> str:
        """What the scores are values of."""
        return self.jobs[0].monitor

    @property
    def sign(self) -> int:
        """1 if small scores are good, else -1."""
        return -1 if self.jobs[0].mode == "max" else 1

    @property
    def best_job(self) -> Job | None:
        """The job with the best score."""
        scored = [job for job in self.jobs if not math.isnan(job.score)]
        return min(scored, key=lambda job: self.sign * job.score, default=None)

    @property
    def best(self) -> Combination | None:
        """The combination with the best mean score."""
        return self.combinations[0] if self.combinations[0].score.n else None

    @property
    def figures(self) -> tuple[str, ...]:
        """Every figure that some job has, the score first."""
        return tuple(dict.fromkeys(["score", *(name for job in self.jobs for name in job.figures)]))

    def of_status(self, status: str) -> list[Job]:
        """All jobs of one status."""
        return [job for job in self.jobs if job.status == status]

    def _rank(self, combination: Combination) -> float:
        return self.sign * combination.score.mean if combination.score.n else math.inf


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
    """The folders of a sweep's jobs; a value with a slash puts one deeper.

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


def combine(jobs: Iterable[Job], settings: Sequence[str]) -> list[Combination]:
    """Jobs with the same values of these settings, together."""
    groups: dict[tuple[tuple[float, str], ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(tuple(order(job.setting(key)) for key in settings), []).append(job)
    return [Combination(tuple(group[0].setting(key) for key in settings), tuple(group)) for group in groups.values()]


def order(text: str) -> tuple[float, str]:
    """Sorts numbers before words, and holds different spellings of a number for the same."""
    try:
        number = float(text)
    except ValueError:
        return math.inf, text
    return (math.inf, text) if math.isnan(number) else (number, "")


def _missing(folder: Path, jobs: Sequence[Job]) -> tuple[int, str | None]:
    """How many jobs were never started, and the command for them and for those that have not finished."""
    path = folder / "multirun.yaml"
    hydra = load_yaml(path, DictConfig, "delete it").get("hydra") if path.is_file() else None
    if not hydra:
        return 0, None
    there = {identity(job.overrides) for job in jobs}
    not_started = sum(job not in there for job in planned(hydra))
    undone = not_started or any(job.result is None or not job.result.reported for job in jobs)
    return not_started, resume_command(hydra, folder) if undone else None
