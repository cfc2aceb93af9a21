"""What the game itself did, and what else it could have done, at the moments where rollouts begin."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.data.replay import Emulator
from pacdream.evaluation.branches import Branches, Encoder, HeldDirections
from pacdream.evaluation.windows import Windows, frames_of, held_out_episodes


@dataclass(frozen=True)
class RecordedFrames:
    """Frames and memory of G windows, from the present frame on."""

    frames: NDArray[np.uint8]
    """(G, 1 + T, H, W) palette indices."""
    ram: NDArray[np.uint8]
    """(G, 1 + T, 128)."""


@dataclass(frozen=True)
class RealFutures:
    """All that is known of the game around the windows."""

    recorded: RecordedFrames
    continuations: Tensor | None
    """(B, T, h, w) codes of another real future of each window, same actions; none without the emulator."""
    directions: HeldDirections | None
    """None if the emulator is not there, or the game has no directions."""


@dataclass(frozen=True)
class Future:
    """What really happened in B windows."""

    frames: NDArray[np.uint8]
    """(B, T, H, W) palette indices."""
    codes: Tensor
    """(B, T, h, w)."""


def recorded_future(data: LatentDataModule, manifest: Manifest, windows: Windows) -> Future:
    """The future that was recorded."""
    items = [(item, windows.steps_of(item.rank)) for item in held_out_episodes(data, manifest)]
    frames = [frames_of(item.episode, steps, 0, windows.horizon)[:, 1:] for item, steps in items if steps]
    return Future(np.concatenate(frames), windows.target)


def played_future(data: LatentDataModule, manifest: Manifest, windows: Windows, actions: Tensor, seed: int) -> Future:
    """The future that other actions (B, T) lead to, played in the emulator.

    Raises:
        ValueError: the emulator cannot reach the moments in which the windows begin.
    """
    emulator, encode = Emulator(data.folder, manifest, seed), Encoder(data)
    rows = iter(actions.tolist())
    frames, codes = [], []
    for item in held_out_episodes(data, manifest):
        steps = windows.steps_of(item.rank)
        for step, state in zip(steps, emulator.states(item.entry, item.episode, steps) if steps else (), strict=True):
            frames.append(emulator.branch(state, next(rows)).frames)
            codes.append(encode(encode.before(item.episode, step), frames[-1]))
    return Future(np.stack(frames), torch.stack(codes).to(actions.device))


def observe_real_futures(
    data: LatentDataModule,
    manifest: Manifest,
    windows: Windows,
    shown: Windows,
    moments: Windows,
    control_horizon: int,
    seed: int,
) -> RealFutures:
    """Read the held-out episodes once, and play them again to branch off.

    Args:
        data: set up.
        manifest: of its episodes.
        windows: each gets another real continuation.
        shown: those whose frames are wanted.
        moments: those from which every direction is held for ``control_horizon`` steps.
        control_horizon: see there.
        seed: of the emulator's sticky actions.
    """
    branches = Branches(data, manifest, windows, moments, control_horizon, seed)
    frames, ram = [], []
    for item in track(held_out_episodes(data, manifest), "what else could happen", total=len(data.split.val)):
        steps = shown.steps_of(item.rank)
        if steps:
            frames.append(frames_of(item.episode, steps, 0, windows.horizon))
            ram.append(item.episode.ram[np.array(steps)[:, None] + np.arange(windows.horizon + 1)])
        branches.add(item)
    recorded = RecordedFrames(np.concatenate(frames), np.concatenate(ram))
    return RealFutures(recorded, branches.continuations(), branches.directions())
