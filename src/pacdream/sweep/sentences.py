"""A sweep in sentences: what came out, what to doubt, what to type next."""

import math

import numpy as np

from pacdream.sweep.command import best_command
from pacdream.sweep.job import Job
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import count_text, describe, describe_job, number, spread_text

_OTHER_DATA = {
    "experiment", "recording", "data.split_seed", "data.val_fraction", "data.episodes", "data.max_val_frames",
    "data.max_val_steps", "data.max_val_spans", "tokenizer.checkpoint", "trainer.limit_val_batches",
}  # fmt: skip
"""Settings that change what a job is measured on."""


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
    says = f"Best {sweep.monitor}: {spread_text(found.mean['score'][0], found.std['score'][0])}"
    says += f" (n = {count_text(sweep, 0)})"
    says += f" with {describe(found.values.loc[0])}" if sweep.settings else ""
    if found.of_job[best] == 0:
        return f"{first} {says}" + (f"; its best job has {score}." if found.n["score"][0] > 1 else ".")
    return f"{first} {says}; the best single job is another: {score} with {describe_job(sweep, best)}."


def notes(sweep: Sweep) -> list[str]:
    """What a reader must know before believing the table."""
    found = _about_scores(sweep)
    found += _without_score(sweep)
    if len(monitors := {job.monitor for job in sweep.jobs}) > 1:
        found.append(f"The jobs monitor different values ({', '.join(sorted(monitors))}): their scores do not compare.")
    other = [key for key in sweep.settings if key in _OTHER_DATA or key.startswith("recording.")]
    if other:
        found.append(f"Jobs that differ in {', '.join(other)} are measured on other data: their scores do not compare.")
    return found


def commands(sweep: Sweep) -> list[tuple[str, str]]:
    """What can be typed next: why, and the command."""
    found = []
    if (best := sweep.best_job) is not None:
        why = f"Train the best job again ({describe_job(sweep, best)})"
        found.append((why, best_command(sweep.jobs[best].overrides)))
    if sweep.resume is not None:
        found.append(("Do what is missing; finished jobs are left alone", sweep.resume))
    return found


def _without_score(sweep: Sweep) -> list[str]:
    """For each reason that some finished jobs have no score the number of jobs and their names."""
    finished = [i for i, job in enumerate(sweep.jobs) if job.status == "finished" and math.isnan(job.score)]
    reasons: dict[str, list[str]] = {}
    for i in finished:
        reasons.setdefault(_why_no_score(sweep.jobs[i]), []).append(describe_job(sweep, i))
    return [f"{len(jobs)} finished without a score ({'; '.join(jobs)}): {why}" for why, jobs in reasons.items()]


def _why_no_score(job: Job) -> str:
    """What a finished job lacks for a score, and how to get one."""
    if job.result is None or job.result.monitor is None:
        return "nothing was monitored. Choose what: callback.checkpoint.monitor=val/loss."
    if job.monitor in job.logged:
        return f"{job.monitor} was never a finite number."
    loss = "train/loss_epoch"
    instead = f", or monitor the training loss: callback.checkpoint.monitor={loss}" if loss in job.logged else ""
    return (
        f"{job.monitor}, which the checkpoint monitors, was never logged, as no validation ran before training ended. "
        f"Train for longer, validate earlier (trainer.val_check_interval=<steps>){instead}."
    )


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
