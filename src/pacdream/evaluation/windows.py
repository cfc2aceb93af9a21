"""The stretches of held-out play that rollouts are compared with."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.data.batches import evenly
from pacdream.data.episode_store import EpisodeEntry, Manifest, read_episode, read_manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.types import Episode


@dataclass(frozen=True)
class Windows:
    """B windows of ``context`` seen grids and ``horizon`` grids to predict."""

    codes: Tensor
    """(B, C + T, h, w) int64."""
    actions: Tensor
    """(B, C - 1 + T) int64; those from C - 1 on lead to the grids to predict."""
    episode: Tensor
    """(B,) rank of the window's episode among the held-out ones."""
    step: Tensor
    """(B,) number of the present frame, the last of the context, in its episode."""
    context: int

    @property
    def present(self) -> Tensor:
        """(B, 1, h, w) the last seen grid."""
        return self.codes[:, self.context - 1 : self.context]

    @property
    def target(self) -> Tensor:
        """(B, T, h, w) what happened."""
        return self.codes[:, self.context :]

    @property
    def horizon(self) -> int:
        """T."""
        return self.codes.shape[1] - self.context

    def pick(self, rows: Tensor) -> "Windows":
        """Some of the windows."""
        return Windows(self.codes[rows], self.actions[rows], self.episode[rows], self.step[rows], self.context)

    def thinned(self, count: int) -> "Windows":
        """At most ``count`` windows, evenly spread."""
        return self.pick(evenly(torch.arange(len(self.codes)), count))

    def steps_of(self, episode: int) -> list[int]:
        """Numbers of the present frames of one episode's windows, in order."""
        return [int(step) for step in self.step[self.episode == episode]]


def check_long_enough(data: LatentDataModule, horizon: int, warmup: int) -> None:
    """Refuse to look so far ahead of moments that have so many frames before them; nothing need be encoded yet.

    Raises:
        ValueError: no held-out episode is as long.
    """
    held_out = set(data.origin.val)
    lengths = [entry.length + 1 for entry in read_manifest(data.folder).episodes if entry.sha256 in held_out]
    longest = max(lengths, default=0)
    if longest > warmup + horizon:
        return
    most = longest - warmup - 1
    way_out = (
        f"choose horizon={most} or less (in train.py report.horizon)"
        if most > 0
        else "record longer ones, or look at earlier moments"
    )
    raise ValueError(
        f"horizon={horizon} after {warmup} frames needs episodes of {warmup + 1 + horizon} frames, "
        f"but the longest held-out one has {longest}: {way_out}"
    )


def held_out_windows(data: LatentDataModule, context: int, horizon: int, count: int, warmup: int) -> Windows:
    """At most ``count`` windows around present frames that are evenly spread over the held-out episodes.

    Which present frames does not depend on the context, so that world models with long and short memories are measured
    on the same moments: each has at least ``warmup`` frames of its episode before it, and ``horizon`` after it. Where
    an episode has fewer grids than the context, its first grid is repeated.

    Raises:
        ValueError: no episode is long enough.
    """
    check_long_enough(data, horizon, warmup)
    starts = data.cache.window_starts(data.split.val, warmup + horizon)
    present = evenly(starts, count) + warmup
    first_frames = data.cache.starts[list(data.split.val)]
    episode = torch.searchsorted(first_frames, present, right=True) - 1
    return windows_around(data, present, first_frames[episode], context, horizon, episode)


def windows_around(
    data: LatentDataModule, present: Tensor, first: Tensor, context: int, horizon: int, episode: Tensor
) -> Windows:
    """Windows around these frames (B,) of episodes that begin at the frames ``first`` (B,)."""
    wanted = present[:, None] + torch.arange(1 - context, horizon + 1)
    frames = torch.maximum(wanted, first[:, None]).to(data.codes.device)
    actions = data.actions[frames[:, :-1]].long()
    actions[wanted[:, :-1].to(actions.device) < first[:, None].to(actions.device)] = 0  # nothing was done before it
    return Windows(data.codes[frames].long(), actions, episode, present - first, context)


@dataclass(frozen=True)
class HeldOutEpisode:
    """A held-out episode as it was recorded."""

    rank: int
    """Its place among the held-out episodes."""
    entry: EpisodeEntry
    episode: Episode


def held_out_episodes(data: LatentDataModule, manifest: Manifest) -> Iterator[HeldOutEpisode]:
    """Read the held-out episodes one at a time."""
    for rank, number in enumerate(data.split.val):
        entry = manifest.episodes[number]
        yield HeldOutEpisode(rank, entry, read_episode(data.folder, entry, manifest.num_actions))


def frames_of(episode: Episode, steps: list[int], before: int, after: int) -> NDArray[np.uint8]:
    """Frames (B, before + 1 + after, H, W) around each step; the first frame stands for those before it."""
    index = np.array(steps)[:, None] + np.arange(-before, after + 1)
    return episode.frames[np.maximum(index, 0)]
