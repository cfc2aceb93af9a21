"""How well returns are foretold: the same random plans, asked of the dream and of the oracles."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pacdream.planner.base import draw_held
from pacdream.planner.prospects import Foresight, Present, returns


class RankCorrelation:
    """Spearman's correlation, over the plans of a moment, of foretold with real returns; the mean over the moments.

    What is real is one run of the emulator. ``emulator`` among the foresights is another, with other sticky frames:
    what can be known at all.
    """

    def __init__(
        self, real: Foresight, foresights: Mapping[str, Foresight], plans: int, horizon: int, max_hold: int, seed: int
    ) -> None:
        """``plans`` random plans of ``horizon`` steps are compared at each moment."""
        self._real, self._foresights = real, foresights
        self._plans, self._horizon, self._max_hold = plans, horizon, max_hold
        self._rng = np.random.default_rng(seed)
        self._found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in foresights}

    def compare(self, present: Present, num_actions: int) -> int:
        """Ask all of them at one moment of B games; return in how many it matters in the end what is done.

        The others, such as before a game has begun, tell nothing and are not asked about.
        """
        drawn = [
            [draw_held(self._rng, num_actions, self._max_hold, self._horizon) for _ in range(self._plans)]
            for _ in present.last_actions
        ]
        plans = torch.from_numpy(np.array(drawn)).to(present.actions.device)
        real = _by_row(self._real, present, plans)
        rows = np.flatnonzero(np.ptp(real[..., -1], 1) > 0).tolist()
        if rows:
            present, plans, real = present.pick(rows), plans[rows], real[rows]
            for name, foresight in self._foresights.items():
                for ours, theirs in zip(_by_row(foresight, present, plans), real, strict=True):
                    self._found[name].append(_spearman(ours, theirs))
        return len(rows)

    def means(self) -> dict[str, list[float | None]]:
        """For each foresight, by horizon; nothing where real returns never differed."""
        table = {name: pd.DataFrame(rows).mean().tolist() for name, rows in self._found.items()}
        return {name: [None if np.isnan(value) else round(value, 4) for value in row] for name, row in table.items()}


def _by_row(foresight: Foresight, present: Present, plans: torch.Tensor) -> NDArray[np.float64]:
    """Returns (B, P, S)."""
    found = returns(foresight.foretell(present, plans))
    return found.view(*plans.shape[:2], -1).cpu().double().numpy()


def _spearman(foretold: NDArray[np.float64], real: NDArray[np.float64]) -> NDArray[np.float64]:
    """By horizon, of returns (P, S) and (P, S'): NaN where the real ones are all the same, 0 where the others are."""
    steps = min(foretold.shape[1], real.shape[1])
    ours, theirs = pd.DataFrame(foretold[:, :steps]).rank(), pd.DataFrame(real[:, :steps]).rank()
    found = ours.corrwith(theirs).to_numpy(np.float64)
    return np.where(theirs.std() == 0, np.nan, np.where(ours.std() == 0, 0.0, found))
