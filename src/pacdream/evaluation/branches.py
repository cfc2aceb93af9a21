"""Other real futures, branched off in the emulator where rollouts begin."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_cache import encode_episode
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.data.replay import Branch, Emulator
from pacdream.evaluation.windows import HeldOutEpisode, Windows, frames_of
from pacdream.game.game import Sprite
from pacdream.game.palette_frames import SavedState
from pacdream.metric.control import NOWHERE, headings
from pacdream.types import Episode

log = logging.getLogger(__name__)
DIRECTIONS = ("UP", "RIGHT", "LEFT", "DOWN")


@dataclass(frozen=True)
class HeldDirections:
    """M moments from which A actions were held in the emulator."""

    moments: Windows
    """M windows; only their context matters."""
    actions: list[int]
    """The A actions."""
    futures: Tensor
    """(M, A, T, h, w) codes of the real futures."""
    headings: NDArray[np.int64]
    """(M, A) where the player went by the console's memory, see ``metric.control.headings``."""


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


class Branches:
    """Other futures of the windows; none if the emulator cannot play the episodes again."""

    def __init__(
        self,
        data: LatentDataModule,
        manifest: Manifest,
        windows: Windows,
        moments: Windows,
        control_horizon: int,
        seed: int,
    ) -> None:
        """See ``observe_real_futures``."""
        self._windows, self._moments = windows, moments
        self._control_horizon, self._player = control_horizon, data.game.player
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
        """Those of all windows, see ``RealFutures``."""
        return torch.stack(self._continuations).to(self._windows.codes.device) if self._emulator else None

    def directions(self) -> HeldDirections | None:
        """Those of all moments, see ``RealFutures``."""
        if not self._emulator or not self._futures:
            return None
        futures = torch.stack(self._futures).to(self._windows.codes.device)
        return HeldDirections(self._moments, self._actions, futures, np.array(self._headings))


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
