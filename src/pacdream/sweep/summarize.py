"""Everything that is said of a sweep, written into its folder."""

from pathlib import Path

from rich.console import Console

from pacdream.core.files import atomic_path
from pacdream.report.page import write_page
from pacdream.sweep.curves import plot_curves
from pacdream.sweep.folder import read_sweep
from pacdream.sweep.plots import plot_grid, plot_scores
from pacdream.sweep.sentences import commands, headline, notes
from pacdream.sweep.sweep import Sweep
from pacdream.sweep.tables import combination_table, failed_table, unfinished_table
from pacdream.sweep.terminal import print_summary
from pacdream.sweep.wandb_log import log_summary


def summarize(folder: Path) -> Path:
    """Write ``summary.csv``, ``summary.html`` and its pictures, print the table, tell W&B if the jobs do.

    Returns:
        The page.

    Raises:
        ValueError: the folder holds no jobs, or one of their files is damaged.
    """
    sweep = read_sweep(folder)
    page = folder / "summary.html"
    with atomic_path(folder / "summary.csv") as temporary:
        sweep.table.to_csv(temporary, index=False)
    pictures = draw(sweep)
    write_page(
        page,
        "sweep",
        title=f"sweep {'/'.join(folder.resolve().parts[-2:])}",
        headline=headline(sweep),
        notes=notes(sweep),
        combinations=combination_table(sweep, sweep.figures.columns[1:]),
        pictures=pictures,
        failed=failed_table(sweep),
        unfinished=unfinished_table(sweep),
        not_started=sweep.not_started,
        commands=commands(sweep),
    )
    print_summary(sweep)
    Console(highlight=False).print(f"\n{page}", soft_wrap=True, markup=False)
    log_summary(sweep, pictures, page)
    return page


def draw(sweep: Sweep) -> list[Path]:
    """The pictures that this sweep has, instead of those of an earlier summary."""
    scores, curves = (sweep.folder / f"summary.{name}.png" for name in ("scores", "curves"))
    for old in (scores, curves):
        old.unlink(missing_ok=True)
    if (grid := sweep.grid()) is not None:
        plot_grid(scores, sweep, grid)
    elif sweep.settings and sweep.has_score:
        plot_scores(scores, sweep)
    if any(len(job.curve("step")) for job in sweep.jobs):
        plot_curves(curves, sweep)
    return [path for path in (scores, curves) if path.is_file()]
