"""One dream as a Gymnasium environment."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from pacdream.dream.dream import Dream
from pacdream.dream.view import View


class DreamEnv(gym.Env[NDArray[Any], np.int64]):
    """Acts in a dream that begins in a moment of a held-out episode.

    The reward is what the outcome network expects a step to earn, a step or two late, as the screen shows it.
    ``info`` carries ``lost``, the probability with which the dream was to end in this step.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["rgb_array"],
        "render_fps": 15,
    }

    def __init__(self, dream: Dream, view: View, render_mode: str | None = None) -> None:
        """``dream`` has one row.

        Raises:
            ValueError: an unknown render mode.
        """
        check_render_mode(render_mode)
        self.dream, self.view, self.render_mode = dream, view, render_mode
        self.observation_space, self.action_space = view.space(), gym.spaces.Discrete(dream.model.num_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin another dream."""
        super().reset(seed=seed)
        self.dream.begin([0], [self.np_random])
        return self.view.observe(self.dream.codes)[0], {"lost": 0.0}

    def step(self, action: np.int64) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Imagine what the action leads to.

        Raises:
            ValueError: an action that the game does not have.
        """
        step = self.dream.step(np.array([action], np.int64))
        observation = self.view.observe(step.codes)[0]
        info = {"lost": float(step.lost[0])}
        return observation, float(step.rewards[0]), bool(step.terminated[0]), bool(step.truncated[0]), info

    def render(self) -> NDArray[np.uint8] | None:
        """RGB (H, W, 3) of the present grid."""
        return self.view.pictures(self.dream.codes)[0] if self.render_mode else None


def check_render_mode(render_mode: str | None) -> None:
    """Refuse all but pictures.

    Raises:
        ValueError: an unknown render mode.
    """
    if render_mode not in (None, *DreamEnv.metadata["render_modes"]):
        raise ValueError(f"render_mode={render_mode!r} is unknown: choose rgb_array or none")
