"""An Atari environment whose observation is the palette index of every pixel."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, SupportsFloat

import ale_py
import gymnasium as gym
import numpy as np
from ale_py import roms
from numpy.typing import NDArray

from pacdream.game.palette import brightness_rank, ntsc_palette

Pooling = Literal["none", "last2", "all4"]
Frame = NDArray[np.uint8]
_ENOUGH_PRESSES = 16
"""Presses of a button after which even a sticky console has taken it."""


@dataclass(frozen=True)
class SavedState:
    """A moment of the game."""

    state: ale_py.ALEState
    action: int
    """What was done last: a sticky frame does it again."""


class PaletteFrames(gym.Wrapper[Frame, int, Any, Any]):
    """Steps an ALE game ``frameskip`` frames at a time and pools their palette-index screens.

    Observation: (H, W) uint8. ``info`` carries ``ram`` (128,) uint8 and ``lives`` int.
    """

    def __init__(self, env: gym.Env[Any, Any], frameskip: int, pooling: Pooling) -> None:
        """Wrap ``env``, an ALE game made with ``frameskip=1``."""
        super().__init__(env)
        window = {"none": 1, "last2": 2, "all4": frameskip}.get(pooling)
        if window is None:
            raise ValueError(f"env.pooling={pooling!r} is unknown: choose none, last2 or all4")
        if frameskip < 1 or window > frameskip:
            raise ValueError(f"env.frameskip={frameskip} is too small for env.pooling={pooling}")
        self.ale: ale_py.ALEInterface = env.unwrapped.ale  # type: ignore[attr-defined]
        self.frameskip = frameskip
        self.palette = ntsc_palette()
        self._window = window
        self.over = False
        """The last step has ended the game."""
        self._rank = brightness_rank(self.palette)
        self._ale_actions = self.ale.getMinimalActionSet()
        height, width = self.ale.getScreenDims()
        self.observation_space = gym.spaces.Box(0, 255, (height, width), np.uint8)

    @property
    def _rom(self) -> Path:
        return Path(str(roms.get_rom_path(self.env.unwrapped._game)))  # type: ignore[attr-defined]

    @property
    def action_names(self) -> tuple[str, ...]:
        """The game's own names of its actions, in order."""
        return tuple(self.env.unwrapped.get_action_meanings())  # type: ignore[attr-defined]

    @property
    def provenance(self) -> dict[str, str]:
        """Which emulator and which ROM this is."""
        digest = hashlib.md5(self._rom.read_bytes()).hexdigest()
        return {"ale_py": ale_py.__version__, "rom_md5": digest}

    def new_emulator(self) -> ale_py.ALEInterface:
        """Another console with the same game and settings, for planners: it takes this one's saved states."""
        ale = ale_py.ALEInterface()
        ale.setInt("random_seed", 0)
        ale.setFloat("repeat_action_probability", self.ale.getFloat("repeat_action_probability"))
        ale.loadROM(self._rom)
        return ale

    def save(self, action: int) -> SavedState:
        """The present moment, to go back to; ``action`` is the one that led here."""
        return SavedState(self.ale.cloneState(), action)

    def restore(self, saved: SavedState) -> None:
        """Go back to a moment that was saved here or in another console with the same game.

        The sticky actions drawn from then on are new. A saved state does not hold the last action, which the first
        sticky frame repeats: so it is pressed until the console has surely taken it.
        """
        for _ in range(_ENOUGH_PRESSES):
            self.ale.act(self._ale_actions[saved.action])
        self.ale.restoreState(saved.state)

    @property
    def num_actions(self) -> int:
        """How many actions the game has."""
        return len(self.action_names)

    @property
    def ale_actions(self) -> list[ale_py.Action]:
        """The emulator's codes of the actions, for planners that drive it directly."""
        return self._ale_actions

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Start an episode; ``seed`` also seeds the console's sticky actions."""
        self.over = False
        _, info = self.env.reset(seed=seed, options=options)
        screen = self.ale.getScreen()
        if not np.array_equal(self.palette[screen], self.ale.getScreenRGB()):
            raise ValueError("this game's colours are not NTSC: PAL games cannot be recorded")
        return screen, self._info(info)

    def step(self, action: int) -> tuple[Frame, SupportsFloat, bool, bool, dict[str, Any]]:
        """Hold ``action`` for ``frameskip`` emulator frames, or until the episode ends."""
        reward, screens = 0.0, []
        for i in range(self.frameskip):
            _, frame_reward, terminated, truncated, info = self.env.step(action)
            reward += float(frame_reward)
            if i >= self.frameskip - self._window:
                screens.append(self.ale.getScreen())
            if terminated or truncated:
                break
        self.over = bool(terminated or truncated)
        frame = self._brightest(screens or [self.ale.getScreen()])
        return frame, reward, terminated, truncated, self._info(info)

    def _brightest(self, screens: list[Frame]) -> Frame:
        """Per pixel the brightest palette index of the screens, (H, W)."""
        pooled = screens[0].ravel()
        for screen in screens[1:]:
            other = screen.ravel()
            # Few pixels differ between two emulator frames: look up brightness only there.
            at = np.flatnonzero(pooled != other)
            brighter = at[self._rank[other[at]] > self._rank[pooled[at]]]
            pooled[brighter] = other[brighter]
        return pooled.reshape(screens[0].shape)

    def _info(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "ram": self.ale.getRAM()}
