"""A sweep in sentences: what came out, what to doubt, what to type next."""

import math

import numpy as np

from pacdream.sweep.command import best_command
from pacdream.sweep.job import Job
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import describe, describe_job, number, spread_text

_OTHER_DATA = {"data.split_seed", "data.val_fraction", "data.episodes", "tokenizer.checkpoint", "recording", "env"}
"""Settings, and groups of settings, that change what a job is measured on."""


def headline(sweep: Sweep) -> str:
    """How many jobs there are, and which settings are best."""
    counts = [f"{sum(job.status == s for job in sweep.jobs)} {s}" for s in ("finished", "failed", "unfinished")]
    counts += [f"{sweep.not_started} not started"]
    told = ", ".join(count for count in counts if not count.startswith("0 "))
    first = f"{len(sweep.jobs) + sweep.not_started} jobs: {told}."
    best = sweep.best_job
    if best is None:
        return f"{first} None has a score{'' if sweep.resume is None else ' yet'}."
    found, score = sweep.combinations, number(sweep.jobs[best].score)
    n = found.n["score"][0]
    says = f"Best {sweep.monitor}: {spread_text(found.mean['score'][0], found.std['score'][0])} (n = {n})"
    says += f" with {describe(found.values.loc[0])}" if sweep.settings else ""
    if found.of_job[best] == 0:
        return f"{first} {says}" + (f"; its best job has {score}." if n > 1 else ".")
    return f"{first} {says}; the best single job is another: {score} with {describe_job(sweep, best)}."


def notes(sweep: Sweep) -> list[str]:
    """What a reader must know before believing the table."""
    found = _about_scores(sweep)
    if without := [job for job in sweep.jobs if job.status == "finished" and math.isnan(job.score)]:
        found += [f"{len(without)} finished without a score:", *(f"{job.name}: {why_no_score(job)}" for job in without)]
    if len(monitors := {job.monitor for job in sweep.jobs}) > 1:
        found.append(f"The jobs monitor different values ({', '.join(sorted(monitors))}): their scores do not compare.")
    if other := [key for key in sweep.settings if {key, key.partition(".")[0]} & _OTHER_DATA]:
        found.append(f"Jobs that differ in {', '.join(other)} are measured on other data: their scores do not compare.")
    return found


def why_no_score(job: Job) -> str:
    """What a job that has finished lacks for a score, and how to get one."""
    assert job.result is not None
    if job.result.monitor is None:
        return "nothing is monitored; choose what with callback.checkpoint.monitor=<metric>."
    if job.result.monitor in job.logged:
        return f"{job.monitor} was never a finite number."
    known = sorted(set(job.logged) - {"epoch", "step"})
    instead = f", or monitor what was logged: callback.checkpoint.monitor={known[-1]}" if known else ""
    return (
        f"{job.monitor}, which the checkpoint monitors, was not logged in {job.result.step} steps; "
        f"train on until a validation (trainer.max_steps, trainer.val_check_interval, trainer.limit_val_batches){instead}."
    )


def commands(sweep: Sweep) -> list[tuple[str, str]]:
    """What can be typed next: why, and the command."""
    found = []
    if (best := sweep.best_job) is not None:
        why = f"Train the best job again ({describe_job(sweep, best)})"
        found.append((why, best_command(sweep.jobs[best].overrides)))
    if sweep.resume is not None:
        found.append(("Do what is missing; finished jobs are left alone", sweep.resume))
    return found


def _about_scores(sweep: Sweep) -> list[str]:
    found, n = [], sweep.combinations.n["score"]
    if (scored := n.sum()) > 1:
        found.append(
            f"The best score is optimistic: it was chosen among {scored} on the validation data it is measured on. "
            "`python evaluate.py run=<job's folder> episodes=<folder>` measures a job on other episodes."
        )
    counts = set(n[n > 0])
    if counts == {1}:
        found.append("One job per row: nothing tells a difference from chance. Sweep seed=0,1,2 as well.")
    elif len(counts) > 1:
        found.append("The rows have different numbers of jobs with a score (n): a mean over fewer is less certain.")
    if close := _close_to_best(sweep):
        found.append(f"Within one standard deviation of the best: {'; '.join(close)}.")
    return found


def _close_to_best(sweep: Sweep) -> list[str]:
    """Combinations that are worse than the best by less than either spreads."""
    mean, std = sweep.combinations.mean["score"], sweep.combinations.std["score"].fillna(-1)
    close = (mean - mean[0]).abs() <= np.maximum(std, std[0])
    return [describe(sweep.combinations.values.loc[i]) for i in mean.index[1:] if close[i]]
