"""Frame pairs for the tokenizer."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pacdream.core.limits import Positive, Seed, Share
from pacdream.data.batches import GatheredDataset, ResumableDataModule, evenly, gathered_loader, place
from pacdream.data.episode_store import Manifest, read_episode, read_manifest
from pacdream.data.find_episodes import find_or_record
from pacdream.data.memory import announce
from pacdream.data.origin import Origin
from pacdream.data.recording import Recording
from pacdream.data.split import split_episodes


@dataclass(frozen=True)
class Frames:
    """Frames of several episodes, one after the other."""

    frames: Tensor
    """(N, H, W) uint8 palette indices."""
    first: Tensor
    """(N,) int64: number of the first frame of each frame's episode."""
    ram: Tensor
    """(N, 128) uint8."""

    def windows(self, indices: Tensor, num_frames: int) -> Tensor:
        """The last ``num_frames`` frames up to each index, (B, F, H, W); an episode's first frame is repeated."""
        back = torch.arange(num_frames - 1, -1, -1)
        wanted = torch.maximum(indices[:, None] - back, self.first[indices][:, None])
        return self.frames[wanted]


class FrameDataModule(ResumableDataModule):
    """All frames of a folder of episodes in memory, split by episode, in batches (B, F, H, W) uint8."""

    def __init__(
        self,
        episodes: str,
        recording: Recording,
        batch_size: Positive,
        val_batch_size: Positive,
        num_frames: Positive,
        val_fraction: Share,
        max_val_frames: Positive,
        split_seed: Seed,
        seed: Seed,
        limit: Positive | None,
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            episodes: folder of episodes; recorded first if it does not exist.
            recording: what to record then.
            batch_size: windows per training batch.
            val_batch_size: windows per validation batch.
            num_frames: frames per window, 1 or 2.
            val_fraction: share of the episodes held out.
            max_val_frames: validation uses at most so many frames, evenly spread.
            split_seed: decides which.
            seed: decides the order of the batches.
            limit: use only so many training windows, evenly spread (to overfit or to try something); none for all.
        """
        super().__init__()
        self.folder = Path(episodes)
        self.recording = recording
        self.batch_size, self.val_batch_size = batch_size, val_batch_size
        self.num_frames, self.max_val_frames, self.limit = num_frames, max_val_frames, limit
        self.val_fraction, self.split_seed, self.seed = val_fraction, split_seed, seed

    def facts(self) -> dict[str, Any]:
        """What a tokenizer must know of the data, in plain numbers and strings."""
        manifest = find_or_record(self.folder, self.recording)
        counts = manifest.colour_counts()
        return {
            "frame_shape": list(manifest.frame_shape),
            "palette": list(manifest.palette),
            "colour_counts": {str(i): int(counts[i]) for i in np.flatnonzero(counts)},
        }

    @cached_property
    def origin(self) -> Origin:
        """What is trained on and held out; as it was when first asked for, whatever is recorded since."""
        manifest = read_manifest(self.folder)
        return Origin.of(manifest, split_episodes(len(manifest.episodes), self.val_fraction, self.split_seed))

    def identities(self) -> dict[str, str]:
        """Hash of the episodes."""
        return dict(self.origin.identities)

    def prepare_data(self) -> None:
        """Record the episodes if there are none."""
        find_or_record(self.folder, self.recording)

    def setup(self, stage: str) -> None:
        """Read all frames."""
        manifest = read_manifest(self.folder)
        self.origin.check_unchanged([(self.folder, manifest)])
        split = split_episodes(len(manifest.episodes), self.val_fraction, self.split_seed)
        if stage == "fit" and not split.train:
            raise ValueError(
                f"data.val_fraction={self.val_fraction} leaves none of data.episodes to train on: choose less"
            )
        num_frames = manifest.num_steps + len(manifest.episodes)
        announce(
            f"{num_frames} frames of {self.folder}",
            num_frames * int(np.prod(manifest.frame_shape)),
            "use fewer episodes",
        )
        self.train_frames = load_frames(self.folder, manifest, split.train)
        self.val_frames = load_frames(self.folder, manifest, split.val)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Shuffled windows of the training episodes."""
        frames = self.train_frames
        chosen = evenly(torch.arange(len(frames.frames)), self.limit)
        dataset = GatheredDataset(len(chosen), lambda i: frames.windows(chosen[i], self.num_frames))
        return self.resumed(gathered_loader(dataset, self.batch_size, True, self.seed, *place(self.trainer)))

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Windows (B, F, H, W) and RAM (B, 128) of the validation episodes, in order."""
        frames = self.val_frames
        chosen = evenly(torch.arange(len(frames.frames)), self.max_val_frames)

        def gather(i: Tensor) -> tuple[Tensor, Tensor]:
            return frames.windows(chosen[i], self.num_frames), frames.ram[chosen[i]]

        dataset = GatheredDataset(len(chosen), gather)
        return gathered_loader(dataset, self.val_batch_size, False, self.seed, *place(self.trainer))


def load_frames(folder: Path, manifest: Manifest, numbers: Iterable[int]) -> Frames:
    """Read the frames and the RAM of the episodes with these numbers."""
    entries = [manifest.episodes[number] for number in numbers]
    total = sum(entry.length + 1 for entry in entries)
    frames = torch.empty((total, *manifest.frame_shape), dtype=torch.uint8)
    ram = torch.empty((total, 128), dtype=torch.uint8)
    first = torch.empty(total, dtype=torch.int64)
    start = 0
    for entry in entries:
        episode = read_episode(folder, entry, manifest.num_actions)
        end = start + entry.length + 1
        frames[start:end] = torch.from_numpy(episode.frames)
        ram[start:end] = torch.from_numpy(episode.ram)
        first[start:end] = start
        start = end
    return Frames(frames, first, ram)
