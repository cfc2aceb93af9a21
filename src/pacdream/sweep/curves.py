"""Learning curves of a sweep."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pacdream.sweep.job import Job
from pacdream.sweep.plots import robust_limits, save, shown
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import number, short_keys

_STYLES = ("-", "--", ":", "-.")


def plot_curves(path: Path, sweep: Sweep) -> None:
    """What is monitored, by epoch or else by step, for all jobs; seeds share a colour and a style."""
    figure = Figure(figsize=(9.5, max(4.2, 0.19 * len(sweep.combinations) + 1)), layout="constrained")
    axes = figure.subplots()
    over = curve_axis(sweep.jobs)
    lines = _lines(sweep)
    for i, (label, jobs) in enumerate(lines):
        best = i == 0 and sweep.best is not None
        colour = "k" if best else f"C{(i - 1) % 10}"
        style = "-" if best else _STYLES[(i - 1) // 10 % len(_STYLES)]
        for job in jobs:
            x, y = curve(job, over)
            axes.plot(
                x, y, color=colour, linestyle=style, linewidth=2 if best else 1, zorder=3 if best else 2,
                marker="." if len(x) < 30 else None, label=label if job is jobs[0] else None,
            )  # fmt: skip
    values = np.array([value for job in sweep.jobs for value in curve(job, over)[1]])
    low, high = robust_limits(values, sweep.sign)
    margin = 0.04 * (high - low) or 0.1
    axes.set(xlabel=over, ylabel=sweep.monitor, ylim=(low - margin, high + margin))
    if values.min() < low or values.max() > high:
        axes.set_title("far worse values are cut off", fontsize=9, loc="right")
    axes.grid(alpha=0.3)
    title = f"{', '.join(map(shown, short_keys(sweep.settings)))}: mean score" if sweep.settings else "seed: score"
    figure.legend(loc="outside right upper", fontsize=8, title=title, title_fontsize=8)
    save(figure, path)


def curve(job: Job, over: str) -> tuple[list[float], list[float]]:
    """``epoch`` or ``step``, and what is monitored there where it is finite; two lists of equal length."""
    rows = [row for row in job.rows if over in row and math.isfinite(row.get(job.monitor, math.nan))]
    return [row[over] for row in rows], [row[job.monitor] for row in rows]


def curve_axis(jobs: Sequence[Job]) -> str:
    """``epoch`` if all jobs are validated once in each at most, else ``step``."""
    return "epoch" if all(len({*curve(job, "epoch")[0]}) == len(curve(job, "step")[0]) for job in jobs) else "step"


def _lines(sweep: Sweep) -> list[tuple[str, Sequence[Job]]]:
    """Label and jobs of each line: one per combination, or per job if only the seed varies; the best first."""
    if not sweep.settings:
        jobs = sorted(sweep.jobs, key=lambda job: (math.isnan(job.score), sweep.sign * job.score))
        return [(_label([job.setting("seed")], job.score, job.status), [job]) for job in jobs]
    return [(_label(each.values, each.score.mean, each.jobs[0].status), each.jobs) for each in sweep.combinations]


def _label(values: Sequence[str], score: float, status: str) -> str:
    says = status if math.isnan(score) else number(score)
    return f"{', '.join(map(shown, values))}: {says}"
