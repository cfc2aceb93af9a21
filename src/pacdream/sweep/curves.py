"""Learning curves of a sweep."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pacdream.report.plots import STYLES, legible, save
from pacdream.sweep.job import Job
from pacdream.sweep.plots import robust_limits
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import number, short_keys


def plot_curves(path: Path, sweep: Sweep) -> None:
    """What is monitored, by epoch or else by step, for all jobs; seeds share a colour and a style."""
    lines, over = _lines(sweep), curve_axis(sweep.jobs)
    figure = Figure(figsize=(9.5, max(4.2, 0.19 * len(lines) + 1)), layout="constrained")
    axes = figure.subplots()
    for i, (label, jobs) in enumerate(lines):
        best = i == 0 and sweep.has_score
        style: dict[str, Any] = {"color": f"C{(i - 1) % 10}", "linestyle": STYLES[(i - 1) // 10 % len(STYLES)]}
        style = {"color": "k", "linewidth": 2, "zorder": 3} if best else {**style, "linewidth": 1, "zorder": 2}
        for job in jobs:
            values = job.curve(over)
            axes.plot(
                values, marker="." if len(values) < 30 else None, label=label if job is jobs[0] else None, **style
            )
    values = np.concatenate([job.curve(over) for job in sweep.jobs])
    low, high = robust_limits(values, sweep.sign)
    margin = 0.04 * (high - low) or 0.1
    axes.set(xlabel=over, ylabel=sweep.monitor, ylim=(low - margin, high + margin))
    if values.min() < low or values.max() > high:
        axes.set_title("far worse values are cut off", fontsize=9, loc="right")
    axes.grid(alpha=0.3)
    title = f"{', '.join(map(legible, short_keys(sweep.settings)))}: mean score" if sweep.settings else "seed: score"
    figure.legend(loc="outside right upper", fontsize=8, title=title, title_fontsize=8)
    save(figure, path)


def curve_axis(jobs: Sequence[Job]) -> str:
    """``epoch`` if all jobs are validated once in each at most, else ``step``."""
    once = all(job.curve("epoch").index.nunique() == len(job.curve("step")) for job in jobs)
    return "epoch" if once else "step"


def _lines(sweep: Sweep) -> list[tuple[str, Sequence[Job]]]:
    """Label and jobs of each line: one per combination, or per job if only the seed varies; the best first."""
    if not sweep.settings:
        jobs = sorted(sweep.jobs, key=lambda job: (math.isnan(job.score), sweep.sign * job.score))
        return [(_label([job.setting("seed")], job.score, job.status), [job]) for job in jobs]
    found = sweep.combinations
    members = [sweep.members(i) for i in found.values.index]
    return [
        (_label(found.values.loc[i], found.mean["score"][i], jobs[0].status), jobs) for i, jobs in enumerate(members)
    ]


def _label(values: Sequence[str], score: float, status: str) -> str:
    return f"{', '.join(map(legible, values))}: {status if math.isnan(score) else number(score)}"
