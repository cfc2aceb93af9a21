"""Batches gathered by index from tensors that already lie in memory: no workers, no per-item Python."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
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


class ResumableLoader(DataLoader[Batch]):
    """A loader that can begin in the middle of an epoch, once."""

    resume: Mapping[str, int] = MappingProxyType({})
    """The epoch that was interrupted and how many of its batches are done; empty for none."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The batches of the sampler's epoch that are not done yet."""
        # A generator, so that this runs at the first batch: Lightning tells the sampler its epoch only after iter().
        same_epoch = self.resume.get("epoch", -1) == getattr(self.sampler, "epoch", 0)
        done, self.resume = self.resume["done"] if same_epoch else 0, {}
        yield from islice(super().__iter__(), done, None)


class ResumableDataModule(lightning.LightningDataModule):
    """A data module whose place in the epoch is part of every checkpoint: no batch is served twice or never."""

    _resume: Mapping[str, int] = MappingProxyType({})

    def state_dict(self) -> dict[str, int]:
        """The running epoch and how many of its batches are done."""
        if self.trainer is None:
            return {}
        loop = self.trainer.fit_loop
        # Not `current_epoch`, which counts on while the batches are still those of the epoch before.
        epoch, done = loop.epoch_progress.current.ready - 1, loop.epoch_loop.batch_progress.current.completed
        return {"epoch": epoch, "done": done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from there."""
        self._resume = state_dict

    def resumed(self, loader: ResumableLoader[Batch]) -> ResumableLoader[Batch]:
        """The loader, beginning where the checkpoint was written if there is one."""
        loader.resume, self._resume = self._resume, {}
        return loader


def gathered_loader(
    dataset: GatheredDataset[Batch], batch_size: int, shuffle: bool, seed: int, rank: int = 0, world_size: int = 1
) -> ResumableLoader[Batch]:
    """A loader whose order depends on ``seed`` and the epoch only, and which can be resumed.

    Raises:
        ValueError: the batch size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"data.batch_size={batch_size} must be at least 1")
    sampler: DistributedSampler[Batch] = DistributedSampler(dataset, world_size, rank, shuffle=shuffle, seed=seed)
    return ResumableLoader(dataset, batch_size, sampler=sampler, collate_fn=_as_is)


def _as_is(batch: Batch) -> Batch:
    return batch


def place(trainer: lightning.Trainer | None) -> tuple[int, int]:
    """Rank of this process and number of processes that share the data."""
    return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
