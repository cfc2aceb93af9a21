"""A Gymnasium vector environment in the form that Stable-Baselines3 wants."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv


class SB3VecEnv(VecEnv):
    """Wraps a vector environment whose rows begin anew in the step in which they end, as SB3's do.

    Flat codes become a box of integers: of ``MultiDiscrete`` SB3 would make a channel for every value of every code.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        """Wrap ``env``.

        Raises:
            ValueError: its rows begin anew in another way.
        """
        if (mode := env.metadata.get("autoreset_mode")) != AutoresetMode.SAME_STEP:
            raise ValueError(f"the vector environment has autoreset mode {mode}, Stable-Baselines3 needs SAME_STEP")
        self.env, self._actions = env, np.zeros(env.num_envs, np.int64)
        super().__init__(env.num_envs, box_of(env.single_observation_space), env.single_action_space)

    def reset(self) -> NDArray[Any]:
        """Begin all rows anew, with the seeds set before if there are any."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observations, _ = self.env.reset(seed=seeds)  # type: ignore[arg-type]
        self._reset_seeds()
        self._reset_options()
        return np.asarray(observations)

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Keep the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Take them."""
        observations, rewards, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(done).tolist():
            cut = bool(truncated[row] and not terminated[row])
            infos[row] = {"terminal_observation": info["final_obs"][row], "TimeLimit.truncated": cut}
        return np.asarray(observations), rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Close it."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same for every row."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """For every row."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Rows are no environments of their own."""
        raise NotImplementedError(f"{method_name}: the rows of a vector environment cannot be called one by one")

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        """None is."""
        return [False] * len(list(self._get_indices(indices)))

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One for each row."""
        return list(self.env.render() or [None] * self.num_envs)  # type: ignore[arg-type]


def box_of(space: gym.Space[Any]) -> gym.Space[Any]:
    """Flat codes as a box of integers, other spaces as they are."""
    if not isinstance(space, gym.spaces.MultiDiscrete):
        return space
    return gym.spaces.Box(0, int(space.nvec.max()) - 1, space.shape, np.int32)
