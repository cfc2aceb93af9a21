"""A sweep in a terminal of 80 columns."""

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from pacdream.report.tables import Table
from pacdream.sweep.sentences import commands, headline, notes
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import STAR, combination_table, failed_table, unfinished_table

_PREFERRED = ("rollout/skill_area", "report/changed_f1", "val/skill", "val/changed_accuracy")
"""The figures that say more than the others, of which there is room for two."""


def print_summary(sweep: Sweep) -> None:
    """Everything but the pictures and the lesser figures."""
    console = Console(highlight=False)
    figures = [name for name in _PREFERRED if name in sweep.figures][:2]
    _print_table(console, combination_table(sweep, figures, deviations=False))
    for sentence in (headline(sweep), *notes(sweep)):
        console.print(Text(sentence))
    for table in (failed_table(sweep), unfinished_table(sweep)):
        _print_list(console, table)
    for why, command in commands(sweep):
        console.print(Text(f"\n{why}:"))
        console.print(Text(command), soft_wrap=True)  # one line, to be copied


def _print_table(console: Console, table: Table) -> None:
    grid = RichTable(title=table.title)
    numbers = table.header.index("n")
    for i, heading in enumerate(table.header):
        # What follows n are figures, whose group can be told from the rest of their names.
        short = heading.rpartition("/")[2].replace("_", " ") if i > numbers else heading
        grid.add_column(Text(short), justify="right", overflow="fold", no_wrap=i in (numbers - 1, numbers))
    for row in table.rows:
        grid.add_row(*(Text(str(cell)) for cell in row), style="bold" if row[0] == STAR else None)
    console.print(grid)


def _print_list(console: Console, table: Table) -> None:
    """A job and the path of its log are too long for columns."""
    if table.rows:
        console.print(Text(f"\n{table.title}", style="bold"))
    for name, says, log in table.rows:
        console.print(Text(f"{name}: {says}"), soft_wrap=True)
        console.print(Text(f"    {log}"), soft_wrap=True)
