"""The report's pictures."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from pacdream.evaluation.open_loop import OpenLoopTable


def plot_horizons(path: Path, table: OpenLoopTable) -> None:
    """Accuracy of every predictor by horizon."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    horizons = range(1, len(table.copy_star) + 1)
    for name, values in table.rows.items():
        own = name == "world model"
        axes.plot(horizons, values, label=name, linewidth=2.5 if own else 1.2, linestyle="-" if own else "--")
    axes.set(xlabel="imagined steps", ylabel="right codes", ylim=(0, 1), xlim=(1, len(table.copy_star)))
    axes.set_title("open-loop accuracy on held-out episodes")
    axes.legend(loc="upper right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def plot_curves(path: Path, metrics: Path) -> None:
    """Loss and accuracy by epoch, from the run's CSV log."""
    series = _read_series(metrics)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axes, names in (
        (loss, ("train/loss_epoch", "val/loss")),
        (accuracy, ("train/accuracy", "val/accuracy", "val/copy_accuracy", "val/changed_accuracy")),
    ):
        for name in names:
            epochs, values = zip(*series.get(name, [(0.0, float("nan"))]), strict=True)
            axes.plot(epochs, values, label=name, marker=".")
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def _read_series(metrics: Path) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    if not metrics.exists():
        return series
    with metrics.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and row.get("epoch"):
                    series.setdefault(name, []).append((float(row["epoch"]), float(value)))
    return series
