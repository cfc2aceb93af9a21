"""What a world model must beat: predictions that need no model of the game.

All take windows of real code grids ``codes`` (B, C + T, h, w), of which the first ``context`` (C) are seen, and
predict the last T grids: (B, T, h, w).
"""

import torch
from torch import Tensor


def copy(codes: Tensor, context: int) -> Tensor:
    """Nothing changes: the last seen grid, T times."""
    present = codes[:, context - 1 : context]
    return present.expand(-1, codes.shape[1] - context, -1, -1)


def phase_copy(codes: Tensor, context: int, period: int) -> Tensor:
    """Nothing but the blinking changes: the seen grid a whole number of periods (in steps) before the predicted one.

    Raises:
        ValueError: fewer grids are seen than a period has steps.
    """
    if context < period:
        raise ValueError(f"a phase-matched copy needs {period} seen grids, not {context}")
    horizons = torch.arange(1, codes.shape[1] - context + 1)
    back = period * -(-horizons // period)
    return codes[:, context - 1 + horizons - back]


def unigram(train_codes: Tensor, codebook_size: int) -> Tensor:
    """The most frequent code of each position, (h, w), over training grids (N, h, w)."""
    one_code_counts = torch.stack([(train_codes == k).sum(0) for k in range(codebook_size)])
    return one_code_counts.argmax(0)
