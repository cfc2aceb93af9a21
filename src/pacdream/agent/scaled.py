"""Rewards of a size that a value network learns easily."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper


class ScaledRewards(VecEnvWrapper):
    """Multiplies every reward."""

    def __init__(self, venv: VecEnv, scale: float) -> None:
        """Wrap ``venv``."""
        super().__init__(venv)
        self._scale = scale

    def reset(self) -> Any:
        """See ``VecEnv``."""
        return self.venv.reset()

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """See ``VecEnv``."""
        observations, rewards, done, infos = self.venv.step_wait()
        return observations, rewards * np.float32(self._scale), done, infos
