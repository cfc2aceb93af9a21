"""Recorded episodes played again, to reach the emulator's own states and what else could have happened there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacdream.core.settings import differences
from pacdream.data.collect import episode_seeds, index_of
from pacdream.data.episode_store import EpisodeEntry, Manifest
from pacdream.game.atari import make_env
from pacdream.game.palette_frames import PaletteFrames, SavedState
from pacdream.types import Episode

_BEFORE_THE_FIRST = 0
"""What the console remembers as the last action before the first one: ALE's NOOP."""


@dataclass(frozen=True)
class Branch:
    """A real future from a saved state."""

    frames: NDArray[np.uint8]
    """(T, H, W) palette indices after 1 to T steps; the last picture stays when the game is over."""
    ram: NDArray[np.uint8]
    """(T, 128)."""
    lives: NDArray[np.uint8]
    """(T,)."""


class Emulator:
    """The game that a folder of episodes was recorded with.

    Raises:
        ValueError: the manifest does not say which game it was, or it cannot be built here (no such ROM).
    """

    def __init__(self, folder: Path, manifest: Manifest, seed: int) -> None:
        """``seed`` decides the sticky actions of all branches."""
        try:
            settings: dict[str, Any] = dict(manifest.settings["env"])
            self._seed = int(manifest.settings["seed"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} does not say with which env and seed it was recorded (no {error})") from error
        self.folder, self._provenance = folder, manifest.provenance
        # Called by name, not looked up: a folder of episodes must not be able to run anything else.
        recorder = settings.pop("_target_", None)
        if recorder != f"{make_env.__module__}.{make_env.__name__}":
            raise ValueError(f"{folder} was recorded with {recorder}, which cannot be played again")
        try:
            self._replayed, self._branched = (make_env(**settings) for _ in range(2))
        except TypeError as error:
            raise ValueError(f"{folder} was recorded with settings that this version does not know: {error}") from error
        self._branched.reset(seed=seed)

    def states(self, entry: EpisodeEntry, episode: Episode, steps: Sequence[int]) -> Iterator[SavedState]:
        """The emulator's state at these frames of an episode, ascending.

        Raises:
            ValueError: playing the episode again gives other frames than were recorded.
        """
        env: PaletteFrames = self._replayed
        env_seed, _ = episode_seeds(self._seed, index_of(entry.file))
        frame, _ = env.reset(seed=env_seed)
        wanted = set(steps)
        for step in range(max(steps) + 1):
            if not np.array_equal(frame, episode.frames[step]):
                raise ValueError(
                    f"playing {self.folder / entry.file} again differs from the recording at frame {step}: "
                    f"{self._guess()}"
                )
            if step in wanted:
                yield env.save(int(episode.actions[step - 1]) if step else _BEFORE_THE_FIRST)
            if step < len(episode.actions):
                frame, *_ = env.step(int(episode.actions[step]))

    def _guess(self) -> str:
        """What is known of why an episode cannot be played again."""
        changed = differences(self._provenance, self._replayed.provenance)
        if changed:
            return f"it was made with another emulator ({', '.join(changed)})"
        return "was it made with an older version of this project?"

    def branch(self, state: SavedState, actions: Sequence[int]) -> Branch:
        """What happens from a state with these actions and new sticky noise."""
        env: PaletteFrames = self._branched
        env.restore(state)
        frames, ram, lives = [], [], []
        over = False
        for action in actions:
            if not over:
                frame, _, terminated, truncated, info = env.step(action)
                over = terminated or truncated
            frames.append(frame)
            ram.append(info["ram"])
            lives.append(info["lives"])
        return Branch(np.stack(frames), np.stack(ram), np.array(lives, np.uint8))
