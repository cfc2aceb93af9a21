"""What a world model must beat: predictions that need no model of the game.

All take windows of real code grids ``codes`` (B, C + T, h, w), of which the first ``context`` (C) are seen, and
predict the last T grids: (B, T, h, w). ``period`` is the number of steps after which what blinks looks the same again,
1 if nothing blinks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


def copy(codes: Tensor, context: int) -> Tensor:
    """Nothing changes: the last seen grid, T times.

    >>> codes = torch.arange(6).reshape(1, 6, 1, 1)  # one window of six grids of one code, four of them seen
    >>> copy(codes, context=4).flatten()
    tensor([3, 3])
    """
    present = codes[:, context - 1 : context]
    return present.expand(-1, codes.shape[1] - context, -1, -1)


def phase_copy(codes: Tensor, context: int, period: int) -> Tensor:
    """Nothing but the blinking changes: the seen grid a whole number of periods before the predicted one.

    Raises:
        ValueError: fewer grids are seen than a period has steps.

    >>> phase_copy(torch.arange(6).reshape(1, 6, 1, 1), context=4, period=4).flatten()  # four grids before 4 and 5
    tensor([0, 1])
    """
    if context < period:
        raise ValueError(f"a phase-matched copy needs {period} seen grids, not {context}")
    return codes[:, context - 1 + _source(codes.shape[1] - context, period)]


@dataclass(frozen=True)
class BestCopy:
    """copy*: at each horizon and position that of the two copies which is right more often in other episodes."""

    phase: Tensor
    """(T, h, w) bool: the phase-matched one is."""
    period: int

    def __call__(self, codes: Tensor, context: int) -> Tensor:
        """Predict open loop: (B, T', h, w) for windows of at most T further grids."""
        phase = self.phase[: codes.shape[1] - context].to(codes.device)
        return torch.where(phase, phase_copy(codes, context, self.period), copy(codes, context))

    def one_step(self, codes: Tensor, first: int) -> Tensor:
        """Predict each of the grids ``codes[first:]`` (N, h, w), in a row, from the real ones before it.

        Raises:
            ValueError: nothing precedes the first of them.
        """
        if first < 1:
            raise ValueError(f"the grid {first} of an episode has no grid before it to copy")
        target = torch.arange(first, len(codes), device=codes.device)
        earlier = torch.where(target >= self.period, target - self.period, target - 1)
        return torch.where(self.phase[0].to(codes.device), codes[earlier], codes[target - 1])


def fit_best_copy(episodes: Iterable[Tensor], grid_shape: tuple[int, int], horizon: int, period: int) -> BestCopy:
    """Choose for each of ``horizon`` steps and each position by the grids (N, h, w) of whole episodes."""
    gain = torch.zeros(horizon, *grid_shape, dtype=torch.int64)
    source = _source(horizon, period).tolist()
    for codes in episodes:
        present = torch.arange(period - 1, len(codes))
        for h in range(1, horizon + 1):
            at = present[present + h < len(codes)]
            target = codes[at + h]
            phase_is_right, copy_is_right = codes[at + source[h - 1]] == target, codes[at] == target
            gain[h - 1] += (phase_is_right.sum(0) - copy_is_right.sum(0)).cpu()
    return BestCopy(gain > 0, period)


def unigram(train_codes: Tensor, codebook_size: int) -> Tensor:
    """The most frequent code of each position, (h, w), over training grids (N, h, w).

    >>> unigram(torch.tensor([[[3, 1]], [[3, 2]], [[0, 2]]]), codebook_size=4)
    tensor([[3, 2]])
    """
    counts = torch.stack([(train_codes == code).sum(0) for code in range(codebook_size)])
    return counts.argmax(0)


def _source(horizon: int, period: int) -> Tensor:
    """Offset (T,) from the present grid of the grid that the phase-matched copy takes for each horizon."""
    ahead = torch.arange(1, horizon + 1)
    return ahead - period * -(-ahead // period)
