"""A sweep over two settings as a matrix."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacdream.sweep.sweep import Combination, Sweep, order


@dataclass(frozen=True)
class Grid:
    """Combinations of two settings (R rows, C columns), numbers in their order."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Combination | None, ...], ...]
    """(R, C)."""

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean scores (R, C), NaN where there is none."""
        return np.array([[cell.score.mean if cell else math.nan for cell in row] for row in self.cells])


def grid(sweep: Sweep) -> Grid | None:
    """The grid of a sweep over two settings; nothing for one over fewer or more, or at random points."""
    if len(sweep.settings) != 2:
        return None
    rows, columns = (axis(sweep, i) for i in range(2))
    if len(rows) * len(columns) > 2 * len(sweep.combinations):
        return None
    cells = {tuple(map(order, each.values)): each for each in sweep.combinations}
    found = (tuple(cells.get((order(row), order(column))) for column in columns) for row in rows)
    return Grid(rows, columns, tuple(found))


def axis(sweep: Sweep, index: int) -> tuple[str, ...]:
    """The values of one of the settings that vary: numbers by size, then words."""
    values = {order(each.values[index]): each.values[index] for each in sweep.combinations}
    return tuple(values[key] for key in sorted(values))
