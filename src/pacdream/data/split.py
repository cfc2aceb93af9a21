"""Which episodes are trained on and which are held out."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EpisodeSplit:
    """Episode numbers, ascending; disjoint and together all."""

    train: tuple[int, ...]
    val: tuple[int, ...]


def split_episodes(num_episodes: int, val_fraction: float, seed: int) -> EpisodeSplit:
    """Draw ``val_fraction`` of the episodes, at least one, for validation; with 1 all are held out.

    Raises:
        ValueError: fewer than two episodes to split, or a fraction outside (0, 1].

    >>> split_episodes(num_episodes=5, val_fraction=0.2, seed=0)
    EpisodeSplit(train=(0, 1, 3, 4), val=(2,))
    """
    if not 0 < val_fraction <= 1:
        raise ValueError(f"data.val_fraction={val_fraction} must lie between 0 and 1")
    if val_fraction == 1:
        return EpisodeSplit((), tuple(range(num_episodes)))
    if num_episodes < 2:
        raise ValueError(f"{num_episodes} episode(s) cannot be split into train and validation: record at least 2")
    num_val = min(max(1, round(num_episodes * val_fraction)), num_episodes - 1)
    order = np.random.default_rng(seed).permutation(num_episodes)
    return EpisodeSplit(
        train=tuple(sorted(int(i) for i in order[num_val:])),
        val=tuple(sorted(int(i) for i in order[:num_val])),
    )
