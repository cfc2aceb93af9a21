"""A sweep's pictures."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pacdream.core.files import atomic_path
from pacdream.sweep.grid import Grid, axis
from pacdream.sweep.sweep import Combination, Sweep, order
from pacdream.sweep.tables import STAR, number, short_keys

_LONGEST = 30
"""Characters of a value that are shown: of a dotted path the end says most."""

_TICKS = 8
"""More values than these, of a random search, are not labelled one by one."""


def plot_grid(path: Path, sweep: Sweep, grid: Grid) -> None:
    """Heat map of the mean score over two settings; cells without a score are hatched and say why."""
    rows, columns = len(grid.rows), len(grid.columns)
    figure = Figure(figsize=(min(9.5, 2.6 + 1.35 * columns), min(14, 1.5 + 0.85 * rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.93")
    low, high = robust_limits(grid.means[np.isfinite(grid.means)], sweep.sign)
    colours = "viridis_r" if sweep.sign > 0 else "viridis"  # what is good is bright
    image = axes.imshow(grid.means, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for row, cells in enumerate(grid.cells):
        for column, cell in enumerate(cells):
            _write_cell(axes, row, column, cell, sweep)
    column_key, row_key = reversed([shown(key) for key in short_keys(sweep.settings)])
    axes.set(xlabel=column_key, ylabel=row_key, title=f"{sweep.monitor}: mean ± standard deviation over n seeds")
    axes.set_xticks(range(columns), map(shown, grid.columns), rotation=30 if _wide(grid.columns) else 0)
    axes.set_yticks(range(rows), map(shown, grid.rows))
    figure.colorbar(image, ax=axes, label=f"{'lower' if sweep.sign > 0 else 'higher'} is better")
    save(figure, path)


def plot_scores(path: Path, sweep: Sweep) -> None:
    """The score over the values of every setting: mean and standard deviation of each combination, and every job."""
    count = len(sweep.settings)
    columns, rows = min(3, count), math.ceil(count / 3)
    figure = Figure(figsize=(7 if count == 1 else 3.2 * columns, 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for index, axes in enumerate(panels):
        if index < count:
            _draw_scores(axes, sweep, index)
        axes.set_visible(index < count)
    low, high = robust_limits(np.array([job.score for job in sweep.jobs if not math.isnan(job.score)]), sweep.sign)
    margin = 0.08 * (high - low) or 0.1
    panels[0].set(ylim=(low - margin, high + margin))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    save(figure, path)


def _draw_scores(axes: Axes, sweep: Sweep, index: int) -> None:
    """One panel; a line joins the means if nothing else varies."""
    values = axis(sweep, index)
    numbers = [order(value)[0] for value in values]
    scale = axis_scale(numbers)
    places = dict(zip(map(order, values), numbers if scale else range(len(values)), strict=True))
    scored = [each for each in sweep.combinations if each.score.n]
    scored.sort(key=lambda each: order(each.values[index]))
    spreads = [each.score for each in scored]
    x = [places[order(each.values[index])] for each in scored]
    jobs = [(places[order(job.setting(sweep.settings[index]))], job.score) for job in sweep.jobs]
    axes.plot(*zip(*jobs, strict=True), "k.", alpha=0.5, label="one job")
    axes.errorbar(
        x, [spread.mean for spread in spreads], [spread.std for spread in spreads],
        fmt="C0o-" if len(sweep.settings) == 1 else "C0o", capsize=4, label="mean ± standard deviation over seeds",
    )  # fmt: skip
    best = sweep.combinations[0]
    axes.plot(places[order(best.values[index])], best.score.mean, "k*", markersize=14, label="best")
    axes.set_xscale(scale or "linear")
    if len(values) <= _TICKS or not scale:
        axes.set_xticks([*places.values()], map(shown, values), rotation=30 if _wide(values) else 0)
        axes.set_xticks([], minor=True)
    axes.set(xlabel=shown(short_keys(sweep.settings)[index]), ylabel=sweep.monitor if index % 3 == 0 else "")
    axes.grid(alpha=0.3)


def robust_limits(values: NDArray[np.float64], sign: int) -> tuple[float, float]:
    """The range of the values, but of a few that are far worse than the others (``sign`` 1: larger) not all.

    A job that diverged would flatten all others: what lies beyond the worse quartile by more than five times the
    distance between the quartiles is left out.
    """
    if not len(values):
        return 0.0, 1.0
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 5 * (upper - lower)
    low, high = float(values.min()), float(values.max())
    return (low, min(high, float(upper + reach))) if sign > 0 else (max(low, float(lower - reach)), high)


def axis_scale(numbers: Sequence[float]) -> str | None:
    """``log`` for positive numbers of different magnitude, ``linear`` for others, nothing for what is no number."""
    if not all(map(math.isfinite, numbers)):
        return None
    return "log" if min(numbers) > 0 and max(numbers) / min(numbers) >= 4 else "linear"


def _write_cell(axes: Axes, row: int, column: int, cell: Combination | None, sweep: Sweep) -> None:
    """The numbers of a cell, or why there are none."""
    if cell is None or not cell.score.n:
        status = "/".join(sorted({job.status for job in cell.jobs})) if cell else "not started"
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, hatch="//", facecolor="none", edgecolor="0.8"))
        axes.text(column, row, status, ha="center", va="center", color="0.4", fontsize=8)
        return
    score = cell.score
    spread = "" if math.isnan(score.std) else f"± {number(score.std)}, "
    of_all = "" if score.n == len(cell.jobs) else f" of {len(cell.jobs)}"
    star = f"{STAR} " if cell is sweep.best else ""
    low, high = axes.images[0].get_clim()
    bright = (high - score.mean if sweep.sign > 0 else score.mean - low) > 0.45 * (high - low)
    colour = "k" if bright else "w"
    axes.text(column, row - 0.1, f"{star}{number(score.mean)}", ha="center", va="center", color=colour, weight="bold")
    axes.text(column, row + 0.14, f"{spread}n = {score.n}{of_all}", ha="center", va="center", color=colour, fontsize=8)


def _wide(values: Sequence[str]) -> bool:
    return sum(map(len, values)) > 60


def shown(text: str) -> str:
    """Text for a picture: not too long, and a dollar stays a dollar."""
    return (text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}").replace("$", r"\$")


def save(figure: Figure, path: Path) -> None:
    """As PNG, atomically."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
