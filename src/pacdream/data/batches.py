"""Batches gathered by index from tensors that already lie in memory: no workers, no per-item Python."""

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar, cast

import lightning
import numpy
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = TypeVar("Batch")


class GatheredDataset(Dataset[Batch], Generic[Batch]):
    """``length`` items of which a whole batch is fetched with one call of ``gather(indices)``."""

    def __init__(self, length: int, gather: Callable[[Tensor], Batch]) -> None:
        """``gather`` takes indices (B,) int64 and returns a batch."""
        self._length, self._gather = length, gather

    def __len__(self) -> int:
        """Number of items."""
        return self._length

    def __getitem__(self, indices: Tensor) -> Batch:
        """The batch of these items (B,)."""
        return self._gather(indices)


class BatchSampler(Sampler[Tensor]):
    """Indices (B,) of one batch after the other, in an order that depends on the seed and the epoch only.

    Ten million indices are one tensor of 40 MB here; torch's own sampler makes a list of them.
    """

    def __init__(self, length: int, batch_size: int, shuffle: bool, seed: int, rank: int, world_size: int) -> None:
        """Of ``length`` items, every ``world_size``-th from ``rank`` on; the first ones again to make shares equal."""
        self.length, self.batch_size, self.shuffle, self.seed = length, batch_size, shuffle, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.resume: Mapping[str, int] = {}
        """The epoch that was interrupted and how many of its batches are done; empty for none."""

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return math.ceil(math.ceil(self.length / self.world_size) / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        """The batches of this epoch that are not done yet."""
        # A generator, so that this runs at the first batch: Lightning tells the epoch only after iter().
        done = self.resume["done"] if self.resume.get("epoch") == self.epoch else 0
        self.resume = {}
        # Not their sum: the first epoch of the next seed would be the second one of this.
        (mixed,) = numpy.random.SeedSequence([self.seed, self.epoch]).generate_state(1, numpy.uint64)
        generator = torch.Generator().manual_seed(int(mixed))
        order = torch.arange(self.length, dtype=torch.int32)
        if self.shuffle:
            torch.randperm(self.length, generator=generator, out=order)
        if missing := -self.length % self.world_size:
            order = torch.cat([order, order[:missing]])
        share = order[self.rank :: self.world_size]
        for first in range(done * self.batch_size, len(share), self.batch_size):
            yield share[first : first + self.batch_size].long()


class ResumableDataModule(lightning.LightningDataModule):
    """A data module whose place in the epoch is part of every checkpoint: no batch is served twice or never."""

    _resume: Mapping[str, int] = MappingProxyType({})
    _sampler: BatchSampler | None = None

    def state_dict(self) -> dict[str, int]:
        """The running epoch, how many of its batches are done, their size in all processes, the items of an epoch."""
        sampler = self._sampler
        if self.trainer is None or sampler is None:
            return {}
        loop = self.trainer.fit_loop
        # Not `current_epoch`, which counts on while the batches are still those of the epoch before.
        epoch, done = loop.epoch_progress.current.ready - 1, loop.epoch_loop.batch_progress.current.completed
        return {"epoch": epoch, "done": done, "size": sampler.batch_size * sampler.world_size, "length": sampler.length}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from there."""
        self._resume = state_dict

    def resumed(self, loader: DataLoader[Batch]) -> DataLoader[Batch]:
        """The loader, beginning where the checkpoint was written if there is one.

        Raises:
            ValueError: it was written in the middle of an epoch of other batches.
        """
        self._sampler = sampler = cast(BatchSampler, loader.sampler)
        here = {"size": sampler.batch_size * sampler.world_size, "length": sampler.length}
        was = {**here, "done": 0, **self._resume}  # older checkpoints do not say
        if here.items() - was.items() and 0 < was["done"] * was["size"] < was["length"]:
            raise ValueError(
                f"the checkpoint is in the middle of an epoch of {was['length']} windows in batches of {was['size']}, "
                f"which cannot go on with {here['length']} in batches of {here['size']}: choose the data settings and "
                "the number of devices again that it was begun with, or begin a new run with weights=<checkpoint>"
            )
        sampler.resume, self._resume = self._resume, {}
        return loader


def gathered_loader(
    dataset: GatheredDataset[Batch], batch_size: int, shuffle: bool, seed: int, rank: int = 0, world_size: int = 1
) -> DataLoader[Batch]:
    """A loader whose order depends on ``seed`` and the epoch only, and which can be resumed.

    Raises:
        ValueError: the batch size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"data.batch_size={batch_size} must be at least 1")
    sampler = BatchSampler(len(dataset), batch_size, shuffle, seed, rank, world_size)
    # The sampler's items are whole batches. A generator of its own leaves the network's random numbers alone.
    return DataLoader(dataset, batch_size=None, sampler=sampler, generator=torch.Generator())


def place(trainer: lightning.Trainer | None) -> tuple[int, int]:
    """Rank of this process and number of processes that share the data."""
    return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)


def evenly(items: Tensor, count: int | None) -> Tensor:
    """At most ``count`` of the items (N, ...), evenly spread from the first to the last; all for none."""
    if count is None or count >= len(items):
        return items
    return items[torch.linspace(0, len(items) - 1, count, dtype=torch.float64).long()]
