"""A sweep's jobs, and what they say together: seeds averaged, combinations of settings compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pacdream.sweep.job import Job

SEED = "seed"
"""The setting over which is averaged."""


@dataclass(frozen=True)
class Combinations:
    """Jobs that differ in their seed only, taken together; rows are combinations, the best mean score first.

    Only finished jobs count: what the others have reached is of half a training.
    """

    values: pd.DataFrame
    """Of the settings that vary, a column each."""
    mean: pd.DataFrame
    """Of every figure, a column each; NaN where no job has it, and such scores come last."""
    std: pd.DataFrame
    """Sample standard deviation (n - 1), NaN for fewer than two jobs."""
    n: pd.DataFrame
    """Jobs that have the figure."""
    of_job: NDArray[np.int64]
    """For each job the row of its combination."""


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
    def settings(self) -> list[str]:
        """Settings that vary, but for the seed."""
        return [key for key in self.varying if key != SEED]

    @property
    def monitor(self) -> str:
        """What the scores are values of."""
        return self.jobs[0].monitor

    @property
    def sign(self) -> int:
        """1 if small scores are good, else -1."""
        return -1 if self.jobs[0].mode == "max" else 1

    @cached_property
    def figures(self) -> pd.DataFrame:
        """Every figure that some job has, a column each, the score first; rows are jobs."""
        return pd.DataFrame([{"score": math.nan} | job.figures for job in self.jobs])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per job: status, settings that vary, result, figures, folder."""
        results = [job.result for job in self.jobs]
        ends = {key: [getattr(result, key, None) for result in results] for key in ("step", "epoch")}
        return pd.DataFrame(
            {
                "status": [job.status for job in self.jobs],
                **{key: ordered([job.setting(key) for job in self.jobs]) for key in self.varying},
                "score": self.figures["score"],
                **{key: pd.array(values, "Int64") for key, values in ends.items()},
                **self.figures.drop(columns="score"),
                "folder": [job.name for job in self.jobs],
            }
        )

    @cached_property
    def combinations(self) -> Combinations:
        """Finished jobs over seeds."""
        finished = self.figures.where(self.table["status"] == "finished")
        groups = finished.groupby([self.table[key] for key in self.settings] or [0] * len(finished), observed=True)
        mean, std, n = groups.mean(), groups.std(), groups.count()
        best_first = np.argsort(self.sign * mean["score"].to_numpy(), kind="stable")
        values = mean.index.to_frame(index=False)[self.settings]
        values, mean, std, n = (frame.iloc[best_first].reset_index(drop=True) for frame in (values, mean, std, n))
        return Combinations(values, mean, std, n, np.argsort(best_first)[groups.ngroup()])

    @property
    def has_score(self) -> bool:
        """Whether any job has one; if so, the first of the combinations is the best."""
        return bool(self.figures["score"].notna().any())

    @property
    def best_job(self) -> int | None:
        """The number of the job with the best score."""
        return int((self.sign * self.figures["score"]).idxmin()) if self.has_score else None

    def members(self, combination: int) -> list[Job]:
        """The jobs of a combination."""
        return [self.jobs[i] for i in np.flatnonzero(self.combinations.of_job == combination)]

    def grid(self) -> pd.DataFrame | None:
        """The combinations (R, C) of a sweep over two settings, NaN where there is none.

        Nothing for a sweep over fewer or more settings, or at random points.
        """
        if len(self.settings) != 2:
            return None
        row, column = self.settings
        values = self.combinations.values
        found = values.reset_index().pivot(index=row, columns=column, values="index").sort_index().sort_index(axis=1)
        return None if found.size > 2 * len(values) else found


def order(text: str) -> tuple[float, str]:
    """Sorts numbers before words, and holds different spellings of a number for the same."""
    try:
        number = float(text)
    except ValueError:
        return math.inf, text
    return (math.inf, text) if math.isnan(number) else (number, "")


def ordered(values: Sequence[str]) -> pd.Categorical:
    """Values of a setting with the order of ``order``; a number is spelt as it was first."""
    spelt = {order(value): value for value in reversed(values)}
    return pd.Categorical([spelt[order(value)] for value in values], [spelt[key] for key in sorted(spelt)], True)
