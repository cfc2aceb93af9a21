"""What the game itself did, and what else it could have done, at the moments where dreams begin."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_cache import encode_episode
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.data.replay import Branch, Emulator
from pacdream.evaluation.windows import HeldOutEpisode, Windows, frames_of, held_out_episodes
from pacdream.game.atari import SavedState
from pacdream.game.game import Game, Sprite
from pacdream.metric.control import NOWHERE, headings
from pacdream.types import Episode

log = logging.getLogger(__name__)
DIRECTIONS = ("UP", "RIGHT", "LEFT", "DOWN")


@dataclass(frozen=True)
class Footage:
    """Frames and memory of G windows, from the present frame on."""

    frames: NDArray[np.uint8]
    """(G, 1 + T, H, W) palette indices."""
    ram: NDArray[np.uint8]
    """(G, 1 + T, 128)."""


@dataclass(frozen=True)
class Crossroads:
    """M moments from which A actions were held in the emulator."""

    moments: Windows
    """M windows; only their context matters."""
    actions: list[int]
    """The A actions."""
    futures: Tensor
    """(M, A, T, h, w) codes of the real futures."""
    headings: NDArray[np.int64]
    """(M, A) where the player went by the console's memory, see ``control.headings``."""


@dataclass(frozen=True)
class Reality:
    """All that is known of the game around the windows."""

    footage: Footage
    continuations: Tensor | None
    """(B, T, h, w) codes of another real future of each window, same actions; none without the emulator."""
    crossroads: Crossroads | None
    """None if the emulator is not there, or the game has no directions."""


class Encoder:
    """Turns the frames that follow known ones into codes."""

    def __init__(self, data: LatentDataModule) -> None:
        """With the tokenizer of ``data``, on its device."""
        self._tokenizer, self._device = data.tokenizer.to(data.codes.device), data.codes.device
        self._batch_size = data.encode_batch
        self.history = data.tokenizer.num_frames - 1

    def before(self, episode: Episode, step: int) -> NDArray[np.uint8]:
        """Frames (history, H, W) that the tokenizer must see beside those that follow frame ``step``."""
        return frames_of(episode, [step], max(0, self.history - 1), 0)[0][: self.history]

    @torch.inference_mode()
    def __call__(self, before: NDArray[np.uint8], frames: NDArray[np.uint8]) -> Tensor:
        """Codes (T, h, w) of frames (T, H, W) that come after the frames ``before`` (history, H, W)."""
        joined = torch.from_numpy(np.concatenate([before, frames]))
        codes = torch.cat(list(encode_episode(self._tokenizer, joined, self._device, self._batch_size)))
        return codes[len(before) :].long()


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


def observe(
    data: LatentDataModule,
    manifest: Manifest,
    windows: Windows,
    filmed: Windows,
    moments: Windows,
    control_horizon: int,
    game: Game,
    seed: int,
) -> Reality:
    """Read the held-out episodes once, and play them again to branch off.

    Args:
        data: set up.
        manifest: of its episodes.
        windows: each gets another real continuation.
        filmed: those whose frames are wanted.
        moments: those from which every direction is held for ``control_horizon`` steps.
        control_horizon: see there.
        game: what is known of it.
        seed: of the emulator's sticky actions.
    """
    branches = _Branches(data, manifest, windows, moments, control_horizon, game, seed)
    frames, ram = [], []
    for item in track(held_out_episodes(data, manifest), "what else could happen", total=len(data.split.val)):
        steps = filmed.steps_of(item.rank)
        if steps:
            frames.append(frames_of(item.episode, steps, 0, windows.horizon))
            ram.append(item.episode.ram[np.array(steps)[:, None] + np.arange(windows.horizon + 1)])
        branches.add(item)
    footage = Footage(np.concatenate(frames), np.concatenate(ram))
    return Reality(footage, branches.continuations(), branches.crossroads())


class _Branches:
    """Other futures of the windows; none if the emulator cannot play the episodes again."""

    def __init__(
        self,
        data: LatentDataModule,
        manifest: Manifest,
        windows: Windows,
        moments: Windows,
        control_horizon: int,
        game: Game,
        seed: int,
    ) -> None:
        """See ``observe``."""
        self._windows, self._moments = windows, moments
        self._control_horizon, self._player = control_horizon, game.player
        self._encode, self._emulator = Encoder(data), _emulator(data.folder, manifest, seed)
        names = manifest.action_names
        self._actions = [names.index(name) for name in DIRECTIONS if name in names]
        self._continuations: list[Tensor] = []
        self._futures: list[Tensor] = []
        self._headings: list[list[int]] = []

    def add(self, item: HeldOutEpisode) -> None:
        """Branch off in the windows of an episode."""
        steps = self._windows.steps_of(item.rank)
        if self._emulator is None or not steps:
            return
        try:
            for step, state in zip(steps, self._emulator.states(item.entry, item.episode, steps), strict=True):
                self._branch(self._emulator, state, item, step)
        except ValueError as error:
            log.warning("no ceiling and no control: %s", error)
            self._emulator = None

    def _branch(self, emulator: Emulator, state: SavedState, item: HeldOutEpisode, step: int) -> None:
        """Take the recorded actions again and, in one of the moments, hold every direction."""
        before = self._encode.before(item.episode, step)
        follow = item.episode.actions[step : step + self._windows.horizon].tolist()
        self._continuations.append(self._encode(before, emulator.branch(state, follow).frames))
        if step in self._moments.steps_of(item.rank) and len(self._actions) > 1:
            held = [emulator.branch(state, [action] * self._control_horizon) for action in self._actions]
            self._futures.append(torch.stack([self._encode(before, branch.frames) for branch in held]))
            self._headings.append([_heading(self._player, item.episode, step, branch) for branch in held])

    def continuations(self) -> Tensor | None:
        """Those of all windows, see ``Reality``."""
        return torch.stack(self._continuations).to(self._windows.codes.device) if self._emulator else None

    def crossroads(self) -> Crossroads | None:
        """Those of all moments, see ``Reality``."""
        if not self._emulator or not self._futures:
            return None
        futures = torch.stack(self._futures).to(self._windows.codes.device)
        return Crossroads(self._moments, self._actions, futures, np.array(self._headings))


def _emulator(folder: Path, manifest: Manifest, seed: int) -> Emulator | None:
    try:
        return Emulator(folder, manifest, seed)
    except ValueError as error:
        log.warning("no ceiling and no control: %s", error)
        return None


def _heading(player: Sprite | None, episode: Episode, step: int, branch: Branch) -> int:
    """Where the player went between a frame and the end of a branch; nowhere if it lost a life or is not known."""
    if player is None or branch.lives[-1] != episode.lives[step]:
        return NOWHERE
    return int(headings(player.positions(branch.ram[-1]) - player.positions(episode.ram[step])))
