"""Mirror images of what was played."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pacdream.types import Episode

_OTHER_SIDE = {"LEFT": "RIGHT", "RIGHT": "LEFT"}


def mirror(episode: Episode, action_names: Sequence[str]) -> Episode:
    """The same with left and right exchanged in frames and actions; the console's memory stays as it was."""
    other = np.array([action_names.index(mirrored(name)) for name in action_names], np.uint8)
    return replace(episode, frames=np.ascontiguousarray(episode.frames[..., ::-1]), actions=other[episode.actions])


def mirrored(action: str) -> str:
    """The name of the action that does on the other side what this one does.

    >>> mirrored("LEFT"), mirrored("UPRIGHT"), mirrored("NOOP")
    ('RIGHT', 'UPLEFT', 'NOOP')
    """
    return re.sub("LEFT|RIGHT", lambda side: _OTHER_SIDE[side[0]], action)
