"""Several runs side by side, and which of their differences are more than chance."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Column
from rich.table import Table as RichTable
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pacdream.core.files import atomic_path
from pacdream.evaluation.scorecard import Reading, Scorecard, read_scorecard
from pacdream.report import page as html
from pacdream.report import plots
from pacdream.report.tables import Table, cell

log = logging.getLogger(__name__)

COMPARED: dict[str, tuple[str, int | None]] = {
    "one step: codes %": ("one_step/accuracy", None),
    "changed F1 %": ("one_step/changed_f1", None),
    "bits/frame": ("one_step/bits_per_frame", None),
    "ECE": ("one_step/ece", None),
    "skill@1": ("open_loop/argmax/skill", 1),
    "skill@8": ("open_loop/argmax/skill", 8),
    "skill area": ("open_loop/argmax/skill_area", None),
    "codes@8 %": ("open_loop/argmax/accuracy", 8),
    "player px@8": ("game/dream/player/median", 8),
    "pixels@8 %": ("game/dream/pixel_accuracy", 8),
    "moves %": ("control/move", None),
}
"""Columns of the comparison: figure and horizon."""
_FEW = 10
"""Fewer episodes give poor intervals."""
_ABREAST = 4
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
    page = [
        *map(html.paragraph, [_LEGEND, *notes]),
        html.table(table.header, table.rows),
        html.picture(folder / "compare.png"),
    ]
    html.write_page(folder / "compare.html", table.title, page)
    _print(table, notes)
    return table


_LEGEND = "* differs from the first run by more than chance: the 95 % interval of the difference excludes 0."


def comparison_table(measured: Sequence[Measured]) -> Table:
    """One row for each run, one column for each of ``COMPARED``."""
    rows = [[run.name, *(_compared_cell(measured[0], run, *what) for what in COMPARED.values())] for run in measured]
    return Table(f"comparison of {len(measured)} runs", ["run", *COMPARED], rows)


def differs(first: Measured, other: Measured, name: str, horizon: int | None) -> bool:
    """Whether the 95 % interval of the difference between two runs excludes 0."""
    if not all(_knows(run, name, horizon) for run in (first, other)) or _unlike(first, other):
        return False
    a, b = (run.samples[name] if horizon is None else run.samples[name][:, horizon - 1] for run in (first, other))
    count = min(len(a), len(b))
    difference = b[:count].double() - a[:count].double()
    if difference.isnan().all():
        return False
    low, high = torch.nanquantile(difference, torch.tensor([0.025, 0.975], dtype=torch.float64))
    return bool(low > 0 or high < 0)


def _knows(run: Measured, name: str, horizon: int | None) -> bool:
    """Whether a run has this figure, and dreams that are long enough for it."""
    known = name in run.card.figures and name in run.samples
    return known and (horizon is None or horizon <= len(run.card.figures[name].value))


_ALIKE = {
    "held_out": "on different episodes",
    "seed": "with different seeds of the resampling",
    "settings": "with different settings of the report",
    "ceiling": "with different ceilings of skill",
}
"""What two measurements must share to be resampled together."""


def _unlike(first: Measured, other: Measured) -> list[str]:
    """In what two measurements differ that makes their differences say nothing about the models."""
    return [said for key, said in _ALIKE.items() if first.card.about.get(key) != other.card.about.get(key)]


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
    card = read_scorecard(folder / "metrics.json")
    try:
        return Measured(name, card, load_file(folder / "bootstrap.safetensors"))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot read {folder / 'bootstrap.safetensors'}: {error}; measure the run again") from error


def _compared_cell(first: Measured, run: Measured, name: str, horizon: int | None) -> str:
    reading = run.card.figures.get(name)
    if reading is None:
        return "–"
    star = "*" if run is not first and differs(first, run, name, horizon) else ""
    scalar = Reading(*(values.reshape(-1) for values in vars(reading).values()))
    value, _, interval = cell(scalar, name, (horizon or 1) - 1).partition(" ")
    return f"{value}{star} {interval}".strip()


def _write_csv(path: Path, measured: Sequence[Measured]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "figure", "horizon", "value", "low", "high", "n", "differs_from_first"])
        for run in measured:
            for name, horizon in COMPARED.values():
                if _knows(run, name, horizon):
                    values = [float(v.reshape(-1)[(horizon or 1) - 1]) for v in vars(run.card.figures[name]).values()]
                    writer.writerow(
                        [run.name, name, horizon or "", *values, int(differs(measured[0], run, name, horizon))]
                    )


def _print(table: Table, notes: Sequence[str]) -> None:
    """To the terminal: the table on its side, without intervals, a few runs at a time."""
    console = Console()
    console.print(table.title)
    for first in range(0, len(table.rows), _ABREAST):
        (_, *runs), *figures = zip(table.header, *table.rows[first : first + _ABREAST], strict=True)
        grid = RichTable(Column(no_wrap=True))
        for run in runs:
            grid.add_column(run, justify="right", overflow="fold")
        for name, *cells in figures:
            grid.add_row(name, *(text.partition(" [")[0] for text in cells))
        console.print(grid)
    console.print(_LEGEND)
    for note in notes:
        console.print(note)
