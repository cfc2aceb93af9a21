"""The report's pictures."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pacdream.core.files import atomic_path
from pacdream.evaluation.scorecard import Reading, Scorecard

STYLES = ("-", "--", ":", "-.")
"""Of lines: there are ten colours."""


def plot_horizons(path: Path, card: Scorecard) -> None:
    """Accuracy by horizon, of the model and of what it is compared with, and skill."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    accuracy, skill = figure.subplots(1, 2)
    for name, label, style in (
        ("baseline/ceiling", "ceiling", "k:"),
        ("teacher_forced/argmax/accuracy", "teacher-forced", "C2-"),
        ("open_loop/argmax/accuracy", "open loop", "C0-"),
        ("open_loop/sampled/accuracy", "open loop, sampled", "C1-"),
        ("baseline/copy_star", "copy*", "k--"),
        ("baseline/unigram", "unigram", "C7-"),
    ):
        _line(accuracy, card, name, label, style)
    accuracy.set(xlabel="imagined steps", ylabel="right codes", ylim=(0, 1), title="accuracy")
    _line(skill, card, "open_loop/argmax/skill", "open loop", "C0-")
    _line(skill, card, "teacher_forced/argmax/skill", "teacher-forced, one step", "C2-")
    skill.axhline(0, color="k", linestyle="--", linewidth=1)
    title = f"skill: 0 is copy*, 1 is {card.about['ceiling']}"
    skill.set(xlabel="imagined steps", ylim=_around_zero(card), title=title)
    _finish(figure, path)


def plot_changes(path: Path, card: Scorecard) -> None:
    """Precision, recall and F1 of changed codes, and the surprise, by horizon."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    changes, bits = figure.subplots(1, 2)
    for i, name in enumerate(("precision", "recall", "f1")):
        _line(changes, card, f"open_loop/argmax/changed_{name}", f"open loop {name}", f"C{i}-")
        _line(changes, card, f"teacher_forced/argmax/changed_{name}", f"teacher-forced {name}", f"C{i}--")
    changes.set(xlabel="imagined steps", ylim=(0, 1), title="codes that change")
    _line(bits, card, "open_loop/argmax/bits_per_frame", "open loop", "C0-")
    _line(bits, card, "teacher_forced/argmax/bits_per_frame", "teacher-forced", "C2-")
    bits.set(xlabel="imagined steps", ylabel="bits per frame", ylim=(0, None), title="surprise")
    _finish(figure, path)


def plot_positions(path: Path, card: Scorecard) -> None:
    """Heat maps over the code grid: accuracy, what copying scores there, and the changes that are predicted."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    titles = {"accuracy": "accuracy", "copy": "copying", "changed_recall": "changes predicted"}
    for axes, (name, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        values = card.figures[f"position/{name}"].value
        image = axes.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect=1.05)
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color="w" if value < 0.6 else "k")
        axes.set(title=f"{title}, %", xlabel="column", ylabel="row")
    figure.colorbar(image, ax=figure.axes, shrink=0.8)
    save(figure, path)


def plot_calibration(path: Path, card: Scorecard) -> None:
    """Reliability diagram, one step ahead."""
    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axes = figure.subplots()
    sure, right = card.figures["one_step/confidence"], card.figures["one_step/right"]
    axes.plot([0, 1], [0, 1], "k--", linewidth=1)
    axes.vlines(sure.value, right.low, right.high, color="C0", alpha=0.4, linewidth=5)
    axes.plot(sure.value, right.value, "C0o-", label=f"ECE {card.scalar('one_step/ece'):.3f}")
    axes.set(xlabel="confidence", ylabel="right codes", xlim=(0, 1), ylim=(0, 1), title="calibration, one step")
    _finish(figure, path)


def plot_game(path: Path, card: Scorecard) -> None:
    """Errors in the game's own space by horizon, of the dream and of the tokenizer alone."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    pixels, sprites, lost, dots = figure.subplots(2, 2).ravel()
    _line(pixels, card, "game/copy/pixel_accuracy", "copy", "k:")
    _line(sprites, card, "game/copy/player/median", "player (copy)", "k-", band=False)
    for row, style in (("dream", "-"), ("tokenizer", "--")):
        _line(pixels, card, f"game/{row}/pixel_accuracy", row, style)
        _line(dots, card, f"game/{row}/dots_too_many_eaten", f"{row}: too many eaten", f"C3{style}")
        _line(dots, card, f"game/{row}/dots_too_few_eaten", f"{row}: too few", f"C2{style}")
    for i, name in enumerate(card.about["sprites"]):
        for row, style in (("dream", "-"), ("tokenizer", "--"), ("real", ":")):
            label = f"{name} ({row})" if row == "dream" else None
            _line(sprites, card, f"game/{row}/{name}/median", label, f"C{i}{style}", band=False)
            if row != "real":
                _line(lost, card, f"game/{row}/{name}/lost", label, f"C{i}{style}", band=False)
    pixels.set(title="pixels that are right", xlabel="imagined steps")
    sprites.set(title="median error, px (dashed: tokenizer, dotted: real)", xlabel="imagined steps")
    lost.set(title="sprites lost (dashed: tokenizer)", xlabel="imagined steps", ylim=(0, 1))
    dots.set(title="dots per frame", xlabel="imagined steps")
    _finish(figure, path)


def plot_control(path: Path, card: Scorecard) -> None:
    """How far the dream obeys the action."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    retrieval, spread, divergence = figure.subplots(1, 3)
    _line(retrieval, card, "control/retrieval", "dream", "C0-")
    _line(retrieval, card, "control/retrieval_best", "real futures", "k:")
    if directions := card.about.get("directions"):
        retrieval.axhline(1 / directions, color="k", linestyle="--", linewidth=1, label="ignores the action")
    retrieval.set(title="own future nearest", xlabel="steps held", ylim=(0, 1))
    _line(spread, card, "control/spread_imagined", "dream", "C0-")
    _line(spread, card, "control/spread_real", "real", "k:")
    spread.set(title="codes that differ between directions", xlabel="steps held", ylim=(0, None))
    _line(divergence, card, "control/divergence", "codes changed by other actions", "C0-")
    divergence.set(title="true against exchanged actions", xlabel="imagined steps", ylim=(0, None))
    _finish(figure, path)


def plot_confusion(path: Path, confusion: NDArray[np.int64], count: int = 20) -> None:
    """The codes that are most often predicted wrongly, and what they are taken for."""
    wrong = confusion - np.diag(np.diag(confusion))
    codes = np.sort(np.argsort(wrong.sum(0) + wrong.sum(1))[::-1][:count])
    table = confusion[np.ix_(codes, codes)]
    share = table / np.maximum(1, confusion[codes].sum(1, keepdims=True))
    np.fill_diagonal(share, np.nan)  # what is right would outshine the rest
    figure = Figure(figsize=(6.5, 5.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, vmin=0, vmax=max(0.01, float(np.nanmax(share))), cmap="magma")
    axes.set(xlabel="predicted code", ylabel="real code", title=f"the {len(codes)} most confused codes, one step ahead")
    axes.set_xticks(range(len(codes)), codes, rotation=90, fontsize=7)
    axes.set_yticks(range(len(codes)), codes, fontsize=7)
    figure.colorbar(image, ax=axes, label="share of the real code")
    save(figure, path)


def plot_curves(path: Path, metrics: Path) -> None:
    """Loss and accuracy by step, from the run's CSV log."""
    series = _read_series(metrics)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axes, names in (
        (loss, ("train/loss_epoch", "val/loss")),
        (accuracy, ("train/accuracy", "val/accuracy", "val/copy_accuracy", "val/changed_accuracy")),
    ):
        for name in names:
            steps, values = zip(*series.get(name, [(0.0, float("nan"))]), strict=True)
            axes.plot(steps, values, label=name, marker=".")
        axes.set_xlabel("step")
    _finish(figure, path)


def plot_comparison(path: Path, cards: Mapping[str, Scorecard], names: Sequence[str]) -> None:
    """One figure by horizon, for several runs."""
    figure = Figure(figsize=(6 * len(names), max(4.2, 0.19 * len(cards) + 3)), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for i, (run, card) in enumerate(cards.items()):
            _line(axes, card, name, legible(run, 80), f"C{i % 10}{STYLES[i // 10 % len(STYLES)]}")
        axes.axhline(0, color="k", linestyle="--", linewidth=1)
        axes.set(xlabel="imagined steps", title=name)
        axes.grid(alpha=0.3)
    lines = max((axes.get_lines()[:-1] for axes in figure.axes), key=len)  # not the one at 0
    figure.legend(handles=[*lines], loc="outside lower center", fontsize=8)
    save(figure, path)


def _line(axes: Axes, card: Scorecard, name: str, label: str | None, style: str, band: bool = True) -> None:
    reading: Reading | None = card.figures.get(name)
    if reading is None:
        return
    horizons = np.arange(1, len(reading.value) + 1)
    line = axes.plot(horizons, reading.value, style, label=label)[0]
    if band:
        axes.fill_between(horizons, reading.low, reading.high, alpha=0.15, color=line.get_color(), linewidth=0)


def _around_zero(card: Scorecard) -> tuple[float, float]:
    values = card.figures["open_loop/argmax/skill"].value
    return min(-0.3, float(np.nanmin(values, initial=0)) - 0.1), 1.0


def _finish(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
    save(figure, path)


def legible(text: str, longest: int = 30) -> str:
    """Text for a picture: not too long, of a dotted path the end says most, and a dollar stays a dollar."""
    return (text if len(text) <= longest else f"…{text[1 - longest :]}").replace("$", r"\$")


def save(figure: Figure, path: Path) -> None:
    """As PNG, atomically."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _read_series(metrics: Path) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    if not metrics.exists():
        return series
    with metrics.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and row.get("step"):
                    series.setdefault(name, []).append((float(row["step"]), float(value)))
    return series
