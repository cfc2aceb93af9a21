"""Ranges of settings, part of the hints of whatever takes them: ``batch_size: Positive``."""

import math
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, without ``low`` itself if it is ``open``."""

    low: float
    high: float = math.inf
    open: bool = False

    def __contains__(self, value: float) -> bool:
        """Not a number is in no range."""
        return self.low <= value <= self.high and not (self.open and value == self.low)

    def __str__(self) -> str:
        """What a value must do, e.g. ``be at least 1``."""
        if self.high == math.inf:
            return f"be {'above' if self.open else 'at least'} {self.low:g}"
        return f"lie in {'(' if self.open else '['}{self.low:g}, {self.high:.10g}]"


Positive = Annotated[int, Range(1)]
"""How many, where none is an error."""
Natural = Annotated[int, Range(0)]
PositiveFloat = Annotated[float, Range(0, open=True)]
Share = Annotated[float, Range(0, 1, open=True)]
"""Of a whole, more than nothing."""
Seed = Annotated[int, Range(0, 2**32 - 1)]
"""What every generator of random numbers takes."""
