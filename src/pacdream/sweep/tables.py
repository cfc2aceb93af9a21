"""A sweep in rows of text, for the page and the terminal."""

import math
from collections.abc import Sequence

import pandas as pd

from pacdream.report.tables import Table
from pacdream.sweep.job import Job
from pacdream.sweep.sweep import Sweep

STAR = "★"


def combination_table(sweep: Sweep, figures: Sequence[str], deviations: bool = True) -> Table:
    """One row per combination of settings, the best first and marked; figures that none of them has are left out."""
    found = sweep.combinations
    figures = [name for name in figures if found.n[name].any()]
    rows = [
        [
            STAR if i == 0 and sweep.has_score else "",
            *found.values.loc[i],
            spread_text(found.mean["score"][i], found.std["score"][i]),
            count_text(sweep, i),
            *(_figure(sweep, i, name, deviations) for name in figures),
        ]
        for i in found.n.index
    ]
    header = ["", *short_keys(sweep.settings), sweep.monitor, "n", *figures]
    return Table(f"{sweep.monitor}: mean ± standard deviation over n seeds", header, rows)


def failed_table(sweep: Sweep) -> Table:
    """Jobs whose last start ended with an error, the error, and the log."""
    failed = {i: job.error for i, job in enumerate(sweep.jobs) if job.error is not None}
    return _job_table(sweep, "Failed", "error", failed)


def unfinished_table(sweep: Sweep) -> Table:
    """Jobs that were interrupted or still run, how far they have come, and the log."""
    found = {
        i: _reached(job)
        for i, job in enumerate(sweep.jobs)
        if job.error is None and not (job.result and job.result.reported)
    }
    return _job_table(sweep, "Interrupted or still running", "reached", found)


def describe_job(sweep: Sweep, number: int) -> str:
    """``lr=1e-3, hidden_size=256, seed=0``: its settings that vary, or else its name."""
    return describe(sweep.table.loc[number, list(sweep.varying)]) or sweep.jobs[number].name


def describe(values: "pd.Series[str]") -> str:
    """``lr=1e-3, hidden_size=256``."""
    return ", ".join(f"{key}={value}" for key, value in zip(short_keys(values.index), values, strict=True))


def short_keys(keys: Sequence[str]) -> list[str]:
    """The last parts of the keys where that tells them apart."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def spread_text(mean: float, std: float) -> str:
    """``mean ± std``, without ± for a single one, a dash for none."""
    if math.isnan(mean):
        return "–"
    return number(mean) + ("" if math.isnan(std) else f" ± {number(std)}")


def count_text(sweep: Sweep, combination: int) -> str:
    """Jobs with a score, and of how many if some have none."""
    n, jobs = sweep.combinations.n["score"][combination], len(sweep.members(combination))
    return str(n) if n == jobs else f"{n} of {jobs}"


def number(value: float) -> str:
    """Four decimals, or four digits of what is large."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def _figure(sweep: Sweep, i: int, name: str, deviations: bool) -> str:
    """A figure over seeds, with its own n if that is another than the score's."""
    found = sweep.combinations
    n, std = found.n[name][i], found.std[name][i] if deviations else math.nan
    text = spread_text(found.mean[name][i], std)
    return text if n in (0, found.n["score"][i]) else f"{text} (n = {n})"


def _job_table(sweep: Sweep, title: str, heading: str, says: dict[int, str]) -> Table:
    rows = [[describe_job(sweep, i), text, str(sweep.jobs[i].folder / "train.log")] for i, text in says.items()]
    return Table(f"{title}: {len(rows)}", ["job", heading, "log"], rows)


def _reached(job: Job) -> str:
    if job.result is not None:
        return "trained, not yet measured"
    known = job.logged.reindex(columns=["epoch", "step"])
    last = {name: known[name].dropna().iloc[-1] for name in known if known[name].notna().any()}
    return ", ".join(f"{name} {value:g}" for name, value in last.items()) or "nothing logged"
