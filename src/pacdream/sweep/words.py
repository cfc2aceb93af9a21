"""A sweep in sentences: what came out, what to doubt, what to type next."""

import math

from pacdream.sweep.command import best_command
from pacdream.sweep.sweep import Combination, Sweep
from pacdream.sweep.tables import describe, number, spread_text

_OTHER_DATA = {"data.split_seed", "data.val_fraction", "data.episodes", "tokenizer.checkpoint", "recording", "env"}
"""Settings, and groups of settings, that change what a job is measured on."""


def headline(sweep: Sweep) -> str:
    """How many jobs there are, and which settings are best."""
    statuses = ("finished", "failed", "unfinished")
    counts = [f"{len(found)} {status}" for status in statuses if (found := sweep.of_status(status))]
    counts += [f"{sweep.not_started} not started"] if sweep.not_started else []
    first = f"{len(sweep.jobs) + sweep.not_started} jobs: {', '.join(counts)}."
    if sweep.best is None or sweep.best_job is None:
        return f"{first} None has a score yet."
    best, job = sweep.best, sweep.best_job
    says = f"Best {sweep.monitor}: {spread_text(best.score)} (n = {best.score.n})"
    says += f" with {describe(sweep, best)}" if sweep.settings else ""
    if job in best.jobs:
        return f"{first} {says}" + (f"; its best job has {number(job.score)}." if best.score.n > 1 else ".")
    return f"{first} {says}; the best single job is another: {number(job.score)} with {describe(sweep, job)}."


def notes(sweep: Sweep) -> list[str]:
    """What a reader must know before believing the table."""
    found = []
    counts = {each.score.n for each in sweep.combinations if each.score.n}
    if (scored := sum(each.score.n for each in sweep.combinations)) > 1:
        found.append(
            f"The best score is optimistic: it was chosen among {scored} on the validation data it is measured on. "
            "`python evaluate.py run=<job's folder> episodes=<folder>` measures a job on other episodes."
        )
    if counts == {1}:
        found.append("One job per row: nothing tells a difference from chance. Sweep seed=0,1,2 as well.")
    elif len(counts) > 1:
        found.append("The rows have different numbers of jobs with a score (n): a mean over fewer is less certain.")
    if close := _close(sweep):
        found.append(f"Within one standard deviation of the best: {'; '.join(close)}.")
    if without := [job for job in sweep.of_status("finished") if math.isnan(job.score)]:
        found.append(f"{len(without)} finished without a score: {', '.join(job.name for job in without)}.")
    if len(monitors := {job.monitor for job in sweep.jobs}) > 1:
        found.append(f"The jobs monitor different values ({', '.join(sorted(monitors))}): their scores do not compare.")
    if other := [key for key in sweep.settings if {key, key.partition(".")[0]} & _OTHER_DATA]:
        found.append(f"Jobs that differ in {', '.join(other)} are measured on other data: their scores do not compare.")
    return found


def _close(sweep: Sweep) -> list[str]:
    """Combinations that are worse than the best by less than either spreads."""
    if (best := sweep.best) is None:
        return []
    others = [each for each in sweep.combinations if each is not best and each.score.n]
    return [
        describe(sweep, each)
        for each in others
        if abs(each.score.mean - best.score.mean) <= max(_std(best), _std(each))
    ]


def _std(combination: Combination) -> float:
    std = combination.score.std
    return -1 if math.isnan(std) else std


def commands(sweep: Sweep) -> list[tuple[str, str]]:
    """What can be typed next: why, and the command."""
    found = []
    if (job := sweep.best_job) is not None:
        found.append((f"Train the best job again ({describe(sweep, job)})", best_command(job.overrides)))
    if sweep.resume is not None:
        found.append(("Do what is missing; finished jobs are left alone", sweep.resume))
    return found
