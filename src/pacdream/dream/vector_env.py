"""Many dreams as one Gymnasium vector environment: all rows are imagined in one batch."""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from pacdream.dream.dream import Dream
from pacdream.dream.env import check_render_mode
from pacdream.dream.view import View

Mask = NDArray[np.bool_]


class DreamVectorEnv(VectorEnv[NDArray[Any], NDArray[np.int64], NDArray[Any]]):
    """Rows that end begin anew in the same step; what they ended with is ``info["final_obs"]``.

    A row does what ``DreamEnv`` does with the same seed, whatever its neighbours do.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["rgb_array"], "render_fps": 15, "autoreset_mode": AutoresetMode.SAME_STEP,
    }  # fmt: skip

    def __init__(self, dream: Dream, view: View, render_mode: str | None = None) -> None:
        """Each row of ``dream`` is an environment.

        Raises:
            ValueError: an unknown render mode.
        """
        check_render_mode(render_mode)
        self.dream, self.view, self.render_mode = dream, view, render_mode
        self.num_envs = len(dream.age)
        self.single_observation_space = view.space()
        self.single_action_space = gym.spaces.Discrete(dream.model.num_actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._rngs: list[np.random.Generator] | None = None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin other dreams; ``options["reset_mask"]`` (B,) says in which rows, all without it.

        Row ``i`` is seeded with ``seed + i``, or with entry ``i`` of a list.

        Raises:
            ValueError: a list of seeds, or a mask, that does not fit the rows.
        """
        count = self.num_envs
        seeds = [None if seed is None else seed + i for i in range(count)] if not isinstance(seed, Sequence) else seed
        if len(seeds) != count:
            raise ValueError(f"{len(seeds)} seeds do not fit {count} environments")
        mask = _mask(options, count)
        if self._rngs is None:
            self._rngs = [np.random.default_rng() for _ in range(count)]
            mask[:] = True
        for i in np.flatnonzero(mask).tolist():
            if (row_seed := seeds[i]) is not None:
                self._rngs[i], _ = gym.utils.seeding.np_random(row_seed)
        self._begin(mask)
        return self.view.observe(self.dream.codes), {"lost": np.zeros(count)}

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float64], Mask, Mask, dict[str, Any]]:
        """Imagine what actions (B,) lead to.

        Raises:
            ValueError: not one action for each row, or one that the game does not have; or before the first reset.
        """
        if self._rngs is None:
            raise ValueError("call reset() before step()")
        if np.shape(actions) != (self.num_envs,):
            raise ValueError(f"actions of shape {np.shape(actions)} are not one for each of {self.num_envs} rows")
        step = self.dream.step(np.asarray(actions, np.int64))
        ended = step.terminated | step.truncated
        observations = self.view.observe(step.codes)
        info: dict[str, Any] = {"lost": step.lost}
        if ended.any():
            info |= {"final_obs": observations.copy(), "_final_obs": ended}
            info |= {"final_info": {"lost": step.lost}, "_final_info": ended, "lost": np.where(ended, 0.0, step.lost)}
            self._begin(ended)
            observations[ended] = self.view.observe(self.dream.codes[ended.nonzero()[0]])
        return observations, step.rewards, step.terminated, step.truncated, info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """RGB (H, W, 3) of each row's present grid."""
        return tuple(self.view.pictures(self.dream.codes)) if self.render_mode else None

    def _begin(self, mask: Mask) -> None:
        rows = np.flatnonzero(mask).tolist()
        assert self._rngs is not None
        self.dream.begin(rows, [self._rngs[row] for row in rows])


def _mask(options: dict[str, Any] | None, count: int) -> Mask:
    """Rows to begin anew."""
    if not options or "reset_mask" not in options:
        return np.ones(count, np.bool_)
    mask = np.asarray(options["reset_mask"])
    if mask.shape != (count,) or mask.dtype != np.bool_ or not mask.any():
        raise ValueError(f"options['reset_mask'] must be {count} booleans, at least one of them true")
    return mask.copy()
