"""A game whose every frame shows the step number and the last action, so that nothing can be shifted unnoticed."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from pacdream.game.palette import ntsc_palette

LENGTH = 12
NUM_ACTIONS = 3


class CounterEnv(gym.Env[Any, Any]):
    """64x64 frames: the upper half is filled with 2 * step, the lower half with 2 * (last action + 1)."""

    palette = ntsc_palette()
    action_names = tuple(f"A{i}" for i in range(NUM_ACTIONS))
    num_actions = NUM_ACTIONS
    provenance: ClassVar = {"emulator": "counter"}
    observation_space = gym.spaces.Box(0, 255, (64, 64), np.uint8)

    def __init__(self, length: int = LENGTH) -> None:
        self.length = length

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.count, self.last, self.over = 0, -1, False
        return self._frame(), self._info()

    def step(self, action: int):
        self.count, self.last = self.count + 1, action
        self.over = self.count >= self.length
        return self._frame(), float(self.count), self.count >= self.length, False, self._info()

    def _frame(self) -> np.ndarray:
        frame = np.full((64, 64), 2 * self.count, np.uint8)
        frame[32:] = 2 * (self.last + 1)
        return frame

    def _info(self) -> dict[str, Any]:
        ram = np.zeros(128, np.uint8)
        ram[0], ram[1] = self.count, self.last + 1
        return {"ram": ram, "lives": 1}


def make_counter_env(length: int = LENGTH) -> CounterEnv:
    return CounterEnv(length)
