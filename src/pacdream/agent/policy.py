"""A learned agent as a player of the real game."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Actions
from pacdream.tokenizer.base import Tokenizer
from pacdream.tokenizer.reader import FrameReader


class AgentPolicy:
    """Reads each frame into codes and does what the agent would do on seeing them in its dream."""

    name = "agent"

    def __init__(self, agent: BaseAlgorithm, tokenizer: Tokenizer) -> None:
        """``agent`` sees flat codes."""
        self._agent, self._tokenizer = agent, tokenizer

    def begin(
        self,
        action_names: Sequence[str],
        rngs: Sequence[np.random.Generator],
        games: Sequence[PaletteFrames] | None = None,
    ) -> None:
        """See ``Policy``.

        Raises:
            ValueError: the game has another number of actions than the agent.
        """
        known = int(self._agent.action_space.n)  # type: ignore[attr-defined]
        if len(action_names) != known:
            raise ValueError(f"the agent knows {known} actions, this game has {len(action_names)}")
        self._rngs = list(rngs)
        self._reader = FrameReader(self._tokenizer)

    @torch.inference_mode()
    def act(self, observation: Any) -> Actions:
        """Draw the action of each row on seeing frames (B, H, W), from the row's own generator."""
        codes = self._reader.read(torch.as_tensor(observation))
        seen = self._agent.policy.obs_to_tensor(codes.flatten(1).cpu().numpy())[0]
        chances = self._agent.policy.get_distribution(seen).distribution.probs.cpu().numpy()  # type: ignore[operator]
        drawn = np.array([rng.random() for rng in self._rngs])[:, None]
        return np.minimum((chances.cumsum(1) < drawn).sum(1), chances.shape[1] - 1)
