"""A sweep's pictures."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pacdream.report.plots import legible, save
from pacdream.sweep.sweep import Sweep, order
from pacdream.sweep.tables import STAR, count_text, number, short_keys

_TICKS = 8
"""More values than these, of a random search, are not labelled one by one."""


def plot_grid(path: Path, sweep: Sweep, grid: pd.DataFrame) -> None:
    """Heat map of the mean score over two settings; cells without a score are hatched and say why."""
    rows, columns = grid.shape
    figure = Figure(figsize=(min(9.5, 2.6 + 1.35 * columns), min(14, 1.5 + 0.85 * rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.93")
    means = grid.map(sweep.combinations.mean["score"].get).to_numpy(float)
    low, high = robust_limits(means[np.isfinite(means)], sweep.sign)
    colours = "viridis_r" if sweep.sign > 0 else "viridis"  # what is good is bright
    image = axes.imshow(means, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for (row, column), mean in np.ndenumerate(means):
        if math.isnan(mean):
            _write_status(axes, row, column, sweep, grid.iat[row, column])
        else:
            distance = high - mean if sweep.sign > 0 else mean - low
            colour = "k" if distance > 0.45 * (high - low) else "w"
            _write_score(axes, row, column, sweep, int(grid.iat[row, column]), colour)
    row_key, column_key = map(legible, short_keys(sweep.settings))
    axes.set(xlabel=column_key, ylabel=row_key, title=f"{sweep.monitor}: mean ± standard deviation over n seeds")
    axes.set_xticks(range(columns), map(legible, grid.columns), rotation=30 if _wide(grid.columns) else 0)
    axes.set_yticks(range(rows), map(legible, grid.index))
    figure.colorbar(image, ax=axes, label=f"{'lower' if sweep.sign > 0 else 'higher'} is better")
    save(figure, path)


def plot_scores(path: Path, sweep: Sweep) -> None:
    """The score over the values of every setting: mean and standard deviation of each combination, and every job."""
    count = len(sweep.settings)
    columns, rows = min(3, count), math.ceil(count / 3)
    figure = Figure(figsize=(7 if count == 1 else 3.2 * columns, 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for key, axes in zip_longest(sweep.settings, panels):
        axes.set_visible(key is not None)
        if key is not None:
            _draw_scores(axes, sweep, key)
    low, high = robust_limits(sweep.figures["score"].dropna().to_numpy(), sweep.sign)
    margin = 0.08 * (high - low) or 0.1
    panels[0].set(ylim=(low - margin, high + margin))
    for axes in panels[::3]:
        axes.set(ylabel=sweep.monitor)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    save(figure, path)


def _draw_scores(axes: Axes, sweep: Sweep, key: str) -> None:
    """One panel; a line joins the means if nothing else varies."""
    values = sweep.table[key].cat.categories
    numbers = [order(value)[0] for value in values]
    scale = axis_scale(numbers)
    places = dict(zip(values, numbers if scale else range(len(values)), strict=True))
    found = sweep.combinations
    x = found.values[key].map(places).to_numpy(float)
    left_to_right = np.argsort(x, kind="stable")
    mean, std = (frame["score"].to_numpy() for frame in (found.mean, found.std))
    axes.plot(sweep.table[key].map(places).to_numpy(float), sweep.table["score"], "k.", alpha=0.5, label="one job")
    axes.errorbar(
        x[left_to_right], mean[left_to_right], std[left_to_right], fmt="C0o-" if len(sweep.settings) == 1 else "C0o",
        capsize=4, label="mean ± standard deviation over seeds",
    )  # fmt: skip
    axes.plot(x[0], mean[0], "k*", markersize=14, label="best")
    axes.set_xscale(scale or "linear")
    if len(values) <= _TICKS or not scale:
        axes.set_xticks([*places.values()], map(legible, values), rotation=30 if _wide(values) else 0)
        axes.set_xticks([], minor=True)
    axes.set(xlabel=legible(dict(zip(sweep.settings, short_keys(sweep.settings), strict=True))[key]))
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


def _write_score(axes: Axes, row: int, column: int, sweep: Sweep, combination: int, colour: str) -> None:
    found = sweep.combinations
    std = found.std["score"][combination]
    star = f"{STAR} " if combination == 0 else ""
    spread = "" if math.isnan(std) else f"± {number(std)}, "
    centred: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    axes.text(column, row - 0.1, f"{star}{number(found.mean['score'][combination])}", weight="bold", **centred)
    axes.text(column, row + 0.14, f"{spread}n = {count_text(sweep, combination)}", fontsize=8, **centred)


def _write_status(axes: Axes, row: int, column: int, sweep: Sweep, combination: float) -> None:
    """Why a cell has no score; NaN for no combination."""
    members = [] if math.isnan(combination) else sweep.members(int(combination))
    status = "/".join(sorted({job.status for job in members})) or "not started"
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, hatch="//", facecolor="none", edgecolor="0.8"))
    axes.text(column, row, status, ha="center", va="center", color="0.4", fontsize=8)


def _wide(values: Sequence[str]) -> bool:
    return sum(map(len, values)) > 60
