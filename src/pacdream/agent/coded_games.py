"""The real game as an agent meets it that has learnt in a dream: codes to see, a life to lose."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from pacdream.game.palette_frames import PaletteFrames
from pacdream.tokenizer.base import Tokenizer


class CodedGames(VectorEnv[NDArray[Any], NDArray[np.int64], NDArray[Any]]):
    """B real games whose frames are read into flat codes in one batch.

    A lost life ends an episode, as in a dream with ``ends=life``, but the game goes on from there.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # type: ignore[misc]

    def __init__(self, make_env: Callable[[], PaletteFrames], tokenizer: Tokenizer, num_envs: int) -> None:
        """``make_env`` builds a game."""
        self._games, self._tokenizer, self.num_envs = [make_env() for _ in range(num_envs)], tokenizer, num_envs
        height, width = tokenizer.grid_shape
        self.single_observation_space = gym.spaces.MultiDiscrete([tokenizer.codebook_size] * (height * width))
        self.single_action_space = gym.spaces.Discrete(self._games[0].num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._lives = np.zeros(num_envs, np.int64)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin all games anew; row ``i`` is seeded with ``seed + i``, or with entry ``i`` of a list."""
        count = self.num_envs
        seeds = seed if isinstance(seed, Sequence) else [None if seed is None else seed + i for i in range(count)]
        self._frames = np.stack([self._begin(row, seeds[row]) for row in range(self.num_envs)])
        self._past = self._frames.copy()
        return self._codes(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play actions (B,)."""
        self._past = self._frames.copy()
        rewards, over, cut, died = np.zeros(self.num_envs), *np.zeros((3, self.num_envs), np.bool_)
        for row, (game, action) in enumerate(zip(self._games, actions.tolist(), strict=True)):
            self._frames[row], reward, over[row], cut[row], info = game.step(action)
            rewards[row], lives = float(reward), int(info["lives"])
            died[row], self._lives[row] = lives < self._lives[row], lives
        observations = self._codes()
        told: dict[str, Any] = {}
        if (ended := over | cut | died).any():
            told = {"final_obs": observations.copy(), "_final_obs": ended}
        if (begun := np.flatnonzero(over | cut)).size:
            for row in begun.tolist():
                self._frames[row] = self._past[row] = self._begin(row, None)
            observations = self._codes()
        return observations, rewards, over | died, cut, told

    def _begin(self, row: int, seed: int | None) -> NDArray[np.uint8]:
        frame, info = self._games[row].reset(seed=seed)
        self._lives[row] = int(info["lives"])
        return frame

    @torch.inference_mode()
    def _codes(self) -> NDArray[Any]:
        """Flat codes (B, h*w) of the present frames."""
        pairs = np.stack([self._past, self._frames], 1)[:, -self._tokenizer.num_frames :]
        device = self._tokenizer.palette_indices.device
        return self._tokenizer.encode(torch.from_numpy(pairs).to(device)).flatten(1).cpu().numpy().copy()
