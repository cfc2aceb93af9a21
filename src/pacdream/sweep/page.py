"""A sweep on one page."""

from html import escape
from pathlib import Path

from pacdream.report import page as html
from pacdream.report.tables import Table
from pacdream.sweep.curves import curve, plot_curves
from pacdream.sweep.grid import grid
from pacdream.sweep.plots import plot_grid, plot_scores
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import combination_table, failed_table, unfinished_table
from pacdream.sweep.words import commands, headline, notes

PICTURES = ("summary.scores.png", "summary.curves.png")


def draw(sweep: Sweep) -> list[Path]:
    """The pictures that this sweep has, instead of those of an earlier summary."""
    scores, curves = (sweep.folder / name for name in PICTURES)
    for old in (scores, curves):
        old.unlink(missing_ok=True)
    if (found := grid(sweep)) is not None:
        plot_grid(scores, sweep, found)
    elif sweep.settings and sweep.best:
        plot_scores(scores, sweep)
    if any(curve(job, "step")[0] for job in sweep.jobs):
        plot_curves(curves, sweep)
    return [path for path in (scores, curves) if path.is_file()]


def write_page(path: Path, sweep: Sweep, pictures: list[Path]) -> None:
    """Write the page, atomically."""
    table = combination_table(sweep, sweep.figures[1:])
    parts = [
        html.paragraph(headline(sweep), lead=True),
        *map(html.paragraph, notes(sweep)),
        html.section(table.title, html.table(table.header, table.rows)),
        *map(html.picture, pictures),
        *_problems(sweep),
        html.section("What to type next", *(_command(*each) for each in commands(sweep))),
    ]
    html.write_page(path, f"sweep {'/'.join(sweep.folder.resolve().parts[-2:])}", parts)


def _problems(sweep: Sweep) -> list[str]:
    """Jobs that failed or have not finished."""
    parts = [_listed(failed_table(sweep)), _listed(unfinished_table(sweep))]
    if sweep.not_started:
        parts.append(html.section(f"Not started: {sweep.not_started}"))
    return parts


def _listed(table: Table) -> str:
    """A job, what is said of it and its log: too long for columns."""
    rows = (
        f"<p>{escape(job)}<br><b>{escape(says)}</b><br><small>{escape(log)}</small></p>"
        for job, says, log in table.rows
    )
    return html.section(table.title, *rows) if table.rows else ""


def _command(why: str, command: str) -> str:
    """To be copied: spaces and line ends are those of the command."""
    return f"{html.paragraph(why + ':')}<pre style='white-space: pre-wrap'>{escape(command)}</pre>"
