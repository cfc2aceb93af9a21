"""Held-out episodes step by step: each step once, with all of the past that a world model can use."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.utils.data import Dataset

from pacdream.metric.copies import BestCopy
from pacdream.types import HeldOutBatch


@dataclass(frozen=True)
class HeldOut:
    """Episodes that a world model is measured on, one step ahead."""

    episodes: Sequence[tuple[Tensor, Tensor]]
    """Grids (N, h, w) and actions (N - 1,) of each."""
    memory: int | None
    """Grids that the world model can use, none for all."""
    best_copy: BestCopy

    def batch(self, episode: int, first: int, end: int) -> HeldOutBatch:
        """Steps ``first`` to ``end - 1`` of an episode, each leading from the grid of its number to the next one."""
        codes, actions = self.episodes[episode]
        begin = 0 if self.memory is None else max(0, first + 1 - self.memory)
        copied = self.best_copy.one_step(codes[: end + 1], first + 1)
        return HeldOutBatch(
            codes[None, begin : end + 1].long(), actions[None, begin:end].long(), copied[None].long(), first - begin
        )

    def batches(self, size: int, first: int = 0) -> list[tuple[int, int, int]]:
        """(episode, first step, end) of batches of at most ``size`` steps that hold every step from ``first`` on once.

        Raises:
            ValueError: the size is below 1.
        """
        if size < 1:
            raise ValueError(f"data.val_batch_size={size} must be at least 1")
        return [
            (episode, start, min(start + size, len(actions)))
            for episode, (_, actions) in enumerate(self.episodes)
            for start in range(first, len(actions), size)
        ]


class HeldOutSteps(Dataset[HeldOutBatch]):
    """The batches of ``HeldOut`` that fall to one of ``world_size`` processes."""

    def __init__(self, held_out: HeldOut, batch_size: int, rank: int, world_size: int) -> None:
        self._held_out = held_out
        self._batches = held_out.batches(batch_size)[rank::world_size]

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> HeldOutBatch:
        """One batch."""
        return self._held_out.batch(*self._batches[index])
