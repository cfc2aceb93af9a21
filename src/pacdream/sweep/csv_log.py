"""What a job logged while it trained, from its CSV file."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

Row = dict[str, float]
"""The numbers of one line by their column; cells that are empty are absent."""


def read_rows(path: Path) -> list[Row]:
    """All lines, none if there is no such file. A last line without its end is still being written, and left out.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        rows = csv.DictReader(whole.splitlines(), strict=True)
        found = [{name: float(text) for name, text in row.items() if text} for row in rows]
    except (csv.Error, OSError, TypeError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}; delete it, and the summary does without its curves") from error
    if found and not all("step" in row for row in found):
        raise ValueError(f"cannot read {path}: a line without step; delete it, and the summary does without its curves")
    return found


def best_row(rows: Sequence[Row], monitor: str, mode: str) -> Row:
    """The line with the best finite value of what is monitored, empty if there is none."""
    finite = [row for row in rows if math.isfinite(row.get(monitor, math.nan))]
    best = max if mode == "max" else min
    return best(finite, key=lambda row: row[monitor], default={})
