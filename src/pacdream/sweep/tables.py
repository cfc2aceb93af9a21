"""A sweep in rows: for the page, the terminal, a spreadsheet and W&B."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from pacdream.core.files import atomic_path
from pacdream.report.tables import Table
from pacdream.sweep.csv_log import Row
from pacdream.sweep.job import Job
from pacdream.sweep.sweep import Combination, Spread, Sweep

STAR = "★"


def job_table(sweep: Sweep) -> tuple[list[str], list[list[str | float | int | None]]]:
    """Header, and one row per job: status, settings that vary, result, headline figures, folder."""
    _, *figures = sweep.figures
    header = ["status", *sweep.varying, "score", "step", "epoch", *figures, "folder"]
    return header, [
        [
            job.status,
            *(job.setting(key) for key in sweep.varying),
            job.figures.get("score"),
            job.result.step if job.result else None,
            job.result.epoch if job.result else None,
            *(job.figures.get(name) for name in figures),
            job.name,
        ]
        for job in sweep.jobs
    ]


def write_csv(path: Path, sweep: Sweep) -> None:
    """``job_table`` as a file; what is not known is empty."""
    header, rows = job_table(sweep)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def combination_table(sweep: Sweep, figures: Sequence[str], deviations: bool = True) -> Table:
    """One row per combination of settings, the best first and marked; figures that none of them has are left out."""
    figures = [name for name in figures if any(each.over_seeds(name).n for each in sweep.combinations)]
    header = ["", *short_keys(sweep.settings), sweep.monitor, "n", *figures]
    rows = [
        [
            STAR if each is sweep.best else "",
            *each.values,
            spread_text(each.score),
            _count(each),
            *(_figure(each, name, deviations) for name in figures),
        ]
        for each in sweep.combinations
    ]
    return Table(f"{sweep.monitor}: mean ± standard deviation over n seeds", header, rows)


def failed_table(sweep: Sweep) -> Table:
    """Jobs whose last start ended with an error, the error, and the log."""
    failed = [job for job in sweep.jobs if job.error is not None]
    rows = [[describe(sweep, job) or job.name, job.error or "", str(job.folder / "train.log")] for job in failed]
    return Table(f"Failed: {len(failed)}", ["job", "error", "log"], rows)


def unfinished_table(sweep: Sweep) -> Table:
    """Jobs that were interrupted or still run, how far they have come, and the log."""
    found = [job for job in sweep.jobs if job.error is None and not (job.result and job.result.reported)]
    rows = [[describe(sweep, job) or job.name, _reached(job), str(job.folder / "train.log")] for job in found]
    return Table(f"Interrupted or still running: {len(found)}", ["job", "reached", "log"], rows)


def describe(sweep: Sweep, job: Job | Combination) -> str:
    """``lr=1e-3, hidden_size=256``: the settings that vary; for a job with its seed."""
    keys = sweep.settings if isinstance(job, Combination) else sweep.varying
    values = job.values if isinstance(job, Combination) else [job.setting(key) for key in keys]
    return ", ".join(f"{key}={value}" for key, value in zip(short_keys(keys), values, strict=True))


def short_keys(keys: Sequence[str]) -> list[str]:
    """The last parts of the keys where that tells them apart."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def spread_text(spread: Spread) -> str:
    """``mean ± std``, without ± for a single one, a dash for none."""
    if not spread.n:
        return "–"
    return number(spread.mean) + ("" if math.isnan(spread.std) else f" ± {number(spread.std)}")


def number(value: float) -> str:
    """Four decimals, or four digits of what is large."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def _count(combination: Combination) -> str:
    """Jobs with a score, and of how many if some have none."""
    n, jobs = combination.score.n, len(combination.jobs)
    return str(n) if n == jobs else f"{n} of {jobs}"


def _figure(combination: Combination, name: str, deviations: bool) -> str:
    """A figure over seeds, with its own n if that is another than the score's."""
    spread = combination.over_seeds(name)
    text = spread_text(spread) if deviations else spread_text(Spread(spread.mean, math.nan, spread.n))
    return f"{text} (n = {spread.n})" if deviations and spread.n not in (0, combination.score.n) else text


def _reached(job: Job) -> str:
    if job.result is not None:
        return "trained, not yet measured"
    last: Row = {}
    for row in job.rows:
        last |= row
    return ", ".join(f"{name} {last[name]:g}" for name in ("epoch", "step") if name in last) or "nothing logged"
