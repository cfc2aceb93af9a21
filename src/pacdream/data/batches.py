"""Batches gathered by index from tensors that already lie in memory: no workers, no per-item Python."""

from collections.abc import Callable
from typing import Generic, TypeVar

import lightning
from torch import Tensor, as_tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

Batch = TypeVar("Batch")


class GatheredDataset(Dataset[Batch], Generic[Batch]):
    """``length`` items of which a whole batch is fetched with one call of ``gather(indices)``."""

    def __init__(self, length: int, gather: Callable[[Tensor], Batch]) -> None:
        """``gather`` takes indices (B,) int64 and returns a batch."""
        self._length, self._gather = length, gather

    def __len__(self) -> int:
        """Number of items."""
        return self._length

    def __getitems__(self, indices: list[int]) -> Batch:
        """The batch of these items; the data loader prefers this to single items."""
        return self._gather(as_tensor(indices))


def gathered_loader(
    dataset: GatheredDataset[Batch], batch_size: int, shuffle: bool, seed: int, rank: int = 0, world_size: int = 1
) -> DataLoader[Batch]:
    """A loader whose order depends on ``seed`` and the epoch only: a run resumed between epochs sees the same batches.

    Raises:
        ValueError: the batch size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"data.batch_size={batch_size} must be at least 1")
    sampler: DistributedSampler[Batch] = DistributedSampler(dataset, world_size, rank, shuffle=shuffle, seed=seed)
    return DataLoader(dataset, batch_size, sampler=sampler, collate_fn=_as_is)


def _as_is(batch: Batch) -> Batch:
    return batch


def place(trainer: lightning.Trainer | None) -> tuple[int, int]:
    """Rank of this process and number of processes that share the data."""
    return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
