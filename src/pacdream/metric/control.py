"""Does the dream obey the action? From one moment, several actions are held, in the game and in the dream."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, ratio

MOVED = 4.0
"""Pixels below which a sprite stands still."""
WARPED = 60.0
"""Pixels above which it went through a tunnel or began a new life."""
NOWHERE, STILL = -1, 0
"""Codes of ``headings``; 1 to 4 are right, left, down, up."""


def grid_distances(imagined: Tensor, real: Tensor) -> Tensor:
    """Share of codes that differ, (B, A, A, T), between imagined and real futures (B, A, T, h, w) of one moment.

    >>> imagined = torch.tensor([0, 0]).reshape(1, 2, 1, 1, 1)  # one moment, two actions, one step, one code
    >>> real = torch.tensor([0, 1]).reshape(1, 2, 1, 1, 1)
    >>> grid_distances(imagined, real)[0, ..., 0]
    tensor([[0., 1.],
            [0., 1.]])
    """
    return (imagined[:, :, None] != real[:, None]).float().mean((-2, -1))


def retrieval_hits(distances: Tensor) -> Tensor:
    """Chance (B, T) that the real future nearest to an imagined one is that of the same action.

    Ties share it: a model that ignores the action, whose futures are all the same, gets exactly ``1 / A``.

    >>> distances = torch.tensor([[0.1, 0.5], [0.4, 0.2]])  # imagined by action, real by action
    >>> retrieval_hits(distances.reshape(1, 2, 2, 1))
    tensor([[1.]])
    """
    nearest = distances == distances.amin(2, keepdim=True)
    share = nearest / nearest.sum(2, keepdim=True)
    return share.diagonal(dim1=1, dim2=2).mean(-1)


def action_spread(futures: Tensor) -> Tensor:
    """Share of codes in which the futures of two actions differ, (B, T), over all pairs of futures (B, A, T, h, w)."""
    count = futures.shape[1]
    return grid_distances(futures, futures).sum((1, 2)) / (count * (count - 1))


class ControlScore(EpisodeMetric):
    """How far dreams of different actions part, and whether each is nearest to its own real future, for T horizons."""

    def __init__(self, num_episodes: int, horizon: int) -> None:
        super().__init__(num_episodes, (horizon, 5))

    def update(self, imagined: Tensor, real: Tensor, episode: Tensor) -> None:
        """Add futures (B, A, T, h, w) of A actions from the same B moments."""
        hits, best = retrieval_hits(grid_distances(imagined, real)), retrieval_hits(grid_distances(real, real))
        ones = torch.ones_like(hits)
        self.add(torch.stack([ones, hits, best, action_spread(imagined), action_spread(real)], -1), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """``retrieval`` is at best ``retrieval_best``, as the real futures of some actions are the same (walls)."""
        names = ("retrieval", "retrieval_best", "spread_imagined", "spread_real")
        return {name: ratio(sums[..., 1 + i], sums[..., 0]) for i, name in enumerate(names)}


def headings(displacement: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where a sprite went: (...) of displacements (..., 2) in pixels, NaN for a sprite that was lost."""
    x, y = displacement[..., 0], displacement[..., 1]
    heading = np.where(abs(x) >= abs(y), np.where(x > 0, 1, 2), np.where(y > 0, 3, 4))
    distance = np.maximum(abs(x), abs(y))
    heading[distance < MOVED] = STILL
    heading[~(distance <= WARPED)] = NOWHERE
    return heading


class MoveScore(EpisodeMetric):
    """How often the imagined player goes where the real one does, against what it would if it ignored the action.

    Chance is the score of the same rollouts with the actions exchanged: a model that ignores them is exactly at chance.
    """

    def __init__(self, num_episodes: int) -> None:
        super().__init__(num_episodes, (4,))

    def update(
        self, imagined: NDArray[np.int64], decoded: NDArray[np.int64], real: NDArray[np.int64], episode: Tensor
    ) -> None:
        """Add ``headings`` (B, A): of the dream, of the real future seen through the tokenizer, and of the memory.

        Moments count if every action has an outcome and at least two of them differ.
        """
        informative = (real != NOWHERE).all(1) & (real != real[:, :1]).any(1)
        rows = []
        for dreamt, seen, true in zip(imagined[informative], decoded[informative], real[informative], strict=True):
            rows.append([1.0, (dreamt == true).mean(), (dreamt[:, None] == true).mean(), (seen == true).mean()])
        if rows:
            self.add(torch.tensor(rows, dtype=torch.float64), episode[torch.from_numpy(informative)])

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """Shares of the branches."""
        names = ("move", "move_chance", "move_tokenizer")
        return {name: ratio(sums[..., 1 + i], sums[..., 0]) for i, name in enumerate(names)}


class DivergenceScore(EpisodeMetric):
    """What becomes of a dream when it is given the actions of another one, for T horizons."""

    def __init__(self, num_episodes: int, horizon: int) -> None:
        super().__init__(num_episodes, (horizon, 3))

    def update(self, imagined: Tensor, shuffled: Tensor, target: Tensor, episode: Tensor) -> None:
        """Add grids (B, T, h, w): with the true actions, with another window's, and what happened."""
        parts = (torch.ones_like(target, dtype=torch.bool), imagined != shuffled, shuffled == target)
        self.add(torch.stack([part.flatten(-2).sum(-1) for part in parts], -1), episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """``divergence`` is 0 for a model that ignores the action."""
        total, differ, right = sums.unbind(-1)
        return {"divergence": ratio(differ, total), "shuffled_accuracy": ratio(right, total)}
