"""What was played, kept until it is written: the game as an episode, game and dream side by side as a video."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pacdream.game.palette import ntsc_palette
from pacdream.play.session import Models, Picture, Played
from pacdream.rollout.video import Film
from pacdream.types import Episode


class Recorder:
    """Keeps every step from one moment on."""

    def __init__(self, begin: Picture, info: dict[str, Any], longest: int) -> None:
        """``info`` is the game's at that moment; after ``longest`` steps it is ``full``."""
        self._begin, self._info, self._longest = begin, info, longest
        self._pictures: list[Picture] = []
        self._played: list[Played] = []

    def add(self, picture: Picture, played: Played) -> None:
        """Keep a step and where it led."""
        self._pictures.append(picture)
        self._played.append(played)

    @property
    def full(self) -> bool:
        """No more can be kept, or the game is over."""
        return len(self._played) >= self._longest or any(
            step.terminated or step.truncated for step in self._played[-1:]
        )

    @property
    def empty(self) -> bool:
        """Nothing has been played."""
        return not self._played

    def episode(self) -> Episode:
        """The real game; whoever stops recording truncates it."""
        steps, infos = self._played, [self._info, *(step.info for step in self._played)]
        truncated = np.array([step.truncated for step in steps])
        truncated[-1] = not steps[-1].terminated
        return Episode(
            frames=np.stack([self._begin.game, *(picture.game for picture in self._pictures)]),
            actions=np.array([step.action for step in steps], np.uint8),
            rewards=np.array([step.reward for step in steps], np.float32),
            terminated=np.array([step.terminated for step in steps]),
            truncated=truncated,
            lives=np.array([info["lives"] for info in infos], np.uint8),
            ram=np.stack([info["ram"] for info in infos]),
        )

    def film(self, models: Models, action_names: tuple[str, ...]) -> Film:
        """Game, its codes decoded, dream."""
        real = np.stack([picture.real_codes for picture in self._pictures]).astype(np.int64)
        rgb = ntsc_palette()
        with torch.inference_mode():
            parts = [models.tokenizer.decode(part).numpy() for part in torch.from_numpy(real).split(16)]
        dreamt = np.stack([picture.codes for picture in self._pictures])
        return Film(
            real=_coloured([picture.game for picture in self._pictures], rgb),
            reconstructed=_coloured(list(np.concatenate(parts)), rgb),
            dreamt=_coloured([picture.dream for picture in self._pictures], rgb),
            wrong=dreamt != real,
            actions=[action_names[step.action] for step in self._played],
        )


def _coloured(frames: list[NDArray[np.uint8]], rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    coloured: NDArray[np.uint8] = rgb[np.stack(frames)]
    return coloured
