"""Several runs side by side, and which of their differences are more than chance."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pacdream.core.files import atomic_path
from pacdream.evaluation.scorecard import Scorecard, read_scorecard
from pacdream.metric.figures import COMPARED, Headline
from pacdream.report import plots
from pacdream.report.page import write_page
from pacdream.report.tables import Cell, Table, cell

log = logging.getLogger(__name__)

_FEW = 10
"""Fewer episodes give poor intervals."""
_SIDE_BY_SIDE = 4
"""Runs that are readable side by side in a terminal of 80 columns."""
PLOTTED = ("open_loop/argmax/skill", "open_loop/argmax/accuracy")


@dataclass(frozen=True)
class Measured:
    """A run's scorecard and its resampled figures."""

    name: str
    card: Scorecard
    samples: dict[str, Tensor]


def compare(runs: Sequence[Path], folder: Path) -> Table:
    """Write ``compare.csv``, ``compare.png`` and ``compare.html`` into a folder, and print the table.

    A star marks a figure that differs from the first run's: the 95 % interval of the difference does not hold 0. Runs
    that were measured on the same episodes are resampled together.

    Raises:
        ValueError: fewer than two runs, or one that has not been measured.
    """
    if len(runs) < 2:
        raise ValueError(f"compare={','.join(map(str, runs))}: give at least two runs, or a folder that holds some")
    measured = [_read(path, name) for path, name in zip(runs, short_names(runs), strict=True)]
    notes = caveats(measured)
    table = comparison_table(measured)
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(folder / "compare.csv", measured)
    plots.plot_comparison(folder / "compare.png", {run.name: run.card for run in measured}, PLOTTED)
    write_page(
        folder / "compare.html",
        "comparison",
        title=table.title,
        notes=[_LEGEND, *notes],
        comparison=table,
        plot=folder / "compare.png",
    )
    _print(table, notes)
    return table


_LEGEND = "* differs from the first run by more than chance: the 95 % interval of the difference excludes 0."


def comparison_table(measured: Sequence[Measured]) -> Table:
    """One row for each run, one column for each headline by which runs are compared."""
    rows: list[list[str | Cell]] = [
        [run.name, *(_compared_cell(measured[0], run, headline) for headline in COMPARED)] for run in measured
    ]
    return Table(f"comparison of {len(measured)} runs", ["run", *(str(line.column) for line in COMPARED)], rows)


def differs(first: Measured, other: Measured, headline: Headline) -> bool:
    """Whether the 95 % interval of the difference between two runs excludes 0."""
    if not all(_knows(run, headline) for run in (first, other)) or _unlike(first, other):
        return False
    if headline.figure.startswith("outcome/") and first.card.about.get("outcome") != other.card.about.get("outcome"):
        return False  # another network said what was earned
    a, b = (_samples(run, headline) for run in (first, other))
    count = min(len(a), len(b))
    difference = b[:count].double() - a[:count].double()
    if difference.isnan().all():
        return False
    low, high = torch.nanquantile(difference, torch.tensor([0.025, 0.975], dtype=torch.float64))
    return bool(low > 0 or high < 0)


def _samples(run: Measured, headline: Headline) -> Tensor:
    samples = run.samples[headline.figure]
    return samples if headline.horizon is None else samples[:, headline.horizon - 1]


def _knows(run: Measured, headline: Headline) -> bool:
    """Whether a run has this figure, and rollouts that are long enough for it."""
    name, horizon = headline.figure, headline.horizon
    known = name in run.card.figures and name in run.samples
    return known and (horizon is None or horizon <= len(run.card.figures[name].value))


def _conditions(run: Measured) -> dict[str, Any]:
    """What two measurements must share for their difference to say something about the models."""
    about, settings = run.card.about, run.card.about.get("settings", {})
    return {
        "on different episodes": about.get("held_out"),
        "at different moments": [settings.get(name) for name in ("warmup", "horizon", "num_windows", "game_windows")],
        "with other moments of control": [settings.get(name) for name in ("control_moments", "control_horizon")],
        "with different resampling": [about.get("seed"), settings.get("resamples")],
        "with different ceilings of skill": about.get("ceiling"),
        "against a copy* that was chosen otherwise": about.get("copy_star"),
    }


def _unlike(first: Measured, other: Measured) -> list[str]:
    """In what two measurements differ that makes their differences say nothing about the models."""
    here = _conditions(first)
    return [said for said, value in _conditions(other).items() if value != here[said]]


def caveats(measured: Sequence[Measured]) -> list[str]:
    """What a reader must know before believing the table."""
    notes = [
        f"{run.name} was measured {', '.join(unlike)} than {measured[0].name}: no stars."
        for run in measured[1:]
        if (unlike := _unlike(measured[0], run))
    ]
    if len({run.card.about.get("tokenizer") for run in measured}) > 1:
        notes.append("The runs live behind different tokenizers: compare pixels, positions and moves, but not codes.")
    fewest = min(run.card.about["held_out_episodes"] for run in measured)
    if fewest < _FEW:
        notes.append(f"Only {fewest} held-out episode(s): intervals from so few are too narrow, or cannot be had.")
    return notes


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Run folders among the paths; one that is none stands for the measured run folders in it, e.g. those of a sweep.

    Raises:
        ValueError: neither a run nor a folder with runs.
    """
    found = []
    for path in paths:
        inside = [path] if _is_run(path) else sorted(p for p in path.glob("*") if _is_run(p))
        if not inside:
            raise ValueError(f"compare={path} is neither the folder of a run nor a folder with runs in it")
        measured = [run for run in inside if run == path or (run / "report" / "metrics.json").is_file()]
        for run in sorted(set(inside) - set(measured)):
            log.warning("%s is left out: it has not been measured (python evaluate.py run=%s)", run.name, run)
        found += measured
    return found


def short_names(paths: Sequence[Path]) -> list[str]:
    """What tells the runs apart: the last parts of their paths, as few as are needed."""
    resolved = [path.resolve() for path in paths]
    for count in range(1, max(len(path.parts) for path in resolved) + 1):
        names = ["/".join(path.parts[-count:]) for path in resolved]
        if len(set(names)) == len(names):
            return names
    raise ValueError(f"compare: the same run is given twice among {', '.join(map(str, paths))}")


def _is_run(path: Path) -> bool:
    return (path / ".hydra" / "config.yaml").is_file()


def _read(run: Path, name: str) -> Measured:
    folder = run / "report"
    if (folder / "tokenizer.json").is_file():
        raise ValueError(f"compare={run}: only world models are compared, and this run trained a tokenizer")
    card = read_scorecard(folder / "metrics.json")
    if "outcome/step/points/ap" in card.figures and "one_step/accuracy" not in card.figures:
        raise ValueError(f"compare={run}: only world models are compared, and this run trained an outcome network")
    try:
        return Measured(name, card, load_file(folder / "bootstrap.safetensors"))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot read {folder / 'bootstrap.safetensors'}: {error}; measure the run again") from error


def _compared_cell(first: Measured, run: Measured, headline: Headline) -> str | Cell:
    if headline.figure not in run.card.figures:
        return "–"
    mark = "*" if run is not first and differs(first, run, headline) else ""
    return cell(run.card, headline.figure, headline.horizon, mark)


def _write_csv(path: Path, measured: Sequence[Measured]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "figure", "horizon", "value", "low", "high", "n", "differs_from_first"])
        for run in measured:
            for headline in (line for line in COMPARED if _knows(run, line)):
                values = map(float, vars(run.card.figures[headline.figure].at(headline.horizon)).values())
                changed = int(differs(measured[0], run, headline))
                writer.writerow([run.name, headline.figure, headline.horizon or "", *values, changed])


def _print(table: Table, notes: Sequence[str]) -> None:
    """To the terminal: the table on its side, without intervals, a few runs at a time."""
    console = Console()
    console.print(table.title)
    for first in range(0, len(table.rows), _SIDE_BY_SIDE):
        (_, *runs), *figures = zip(table.header, *table.rows[first : first + _SIDE_BY_SIDE], strict=True)
        grid = RichTable(Column(no_wrap=True))
        for run in runs:
            grid.add_column(Text(run), justify="right", overflow="fold")
        for name, *cells in figures:
            grid.add_row(name, *(value if isinstance(value, str) else value.text for value in cells))
        console.print(grid)
    console.print(_LEGEND)
    for note in notes:
        console.print(Text(note))
