"""Everything that is said of a sweep, written into its folder."""

from pathlib import Path

from rich.console import Console

from pacdream.sweep.page import draw, write_page
from pacdream.sweep.sweep import read_sweep
from pacdream.sweep.tables import write_csv
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
    write_csv(folder / "summary.csv", sweep)
    pictures = draw(sweep)
    write_page(page, sweep, pictures)
    print_summary(sweep)
    Console(highlight=False).print(f"\n{page}", soft_wrap=True, markup=False)
    log_summary(sweep, pictures, page)
    return page
