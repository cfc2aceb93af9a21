"""One player's dream, and the real game that began in the same moment and is given the same actions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.game.palette_frames import PaletteFrames
from pacdream.outcome.network import OutcomeNetwork
from pacdream.rollout.sampler import Sampler
from pacdream.rollout.step import condition, predict
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel


@dataclass(frozen=True)
class Models:
    """What dreams, sees and judges; shared by all players."""

    model: WorldModel
    tokenizer: Tokenizer
    outcome: OutcomeNetwork | None
    """None if there is none for this tokenizer: points and lives of the dream are not told then."""


@dataclass(frozen=True)
class Picture:
    """Where dream and game stand."""

    step: int
    """Steps since both began in the same moment."""
    dream: NDArray[np.uint8]
    """(H, W) palette indices."""
    game: NDArray[np.uint8]
    """(H, W) palette indices."""
    codes: NDArray[np.uint16]
    """(h, w) dreamt."""
    real_codes: NDArray[np.uint16]
    """(h, w) of the game."""
    entropy: NDArray[np.uint8]
    """(h, w) the model's uncertainty: 0 is none, 255 a uniform guess."""
    points: float
    """Points that the dream is expected to have earned."""
    real_points: float
    lost: float
    """Probability that a life has just been lost in the dream."""
    left_after: int
    """Steps after which the dream had left reality, 0 if it has not yet."""


@dataclass(frozen=True)
class Played:
    """One step of the real game."""

    action: int
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]
    """Its ``ram`` and ``lives``."""


class Session:
    """Steps both with the player's actions."""

    def __init__(
        self,
        models: Models,
        make_env: Callable[[], PaletteFrames],
        sampler: Sampler,
        seed: int,
        intro: int,
        context: int,
        left_at: float,
    ) -> None:
        """Begin.

        Args:
            models: see there.
            make_env: builds the real game.
            sampler: makes codes of the world model's logits.
            seed: of game and draws.
            intro: steps of the game before its start can be played.
            context: real grids that a dream begins with, of which a model uses as many as it can.
            left_at: share of wrong codes from which on the dream has left reality.

        Raises:
            ValueError: the game has other actions than the world model, or the context is too short to judge a dream.
        """
        self.models, self.sampler, self._game = models, sampler, make_env()
        self.action_names = self._game.action_names
        if len(self.action_names) != models.model.num_actions:
            raise ValueError(
                f"the world model knows {models.model.num_actions} actions, this game has {len(self.action_names)}"
            )
        if models.outcome is not None and context <= models.outcome.before:
            raise ValueError(
                f"context={context} is too short for the outcome network: choose {models.outcome.before + 1} or more"
            )
        self._intro, self._context, self._left_at = intro, context, left_at
        self._step = self._left_after = 0
        self._points = self._lost = self._points_before = 0.0
        self.last = Played(0, 0.0, False, False, {})
        """The last step of the game."""
        self._stands = False
        """The game was over before the last step: the dream cannot be compared any more."""
        self.reset(seed)

    def reset(self, seed: int) -> Picture:
        """Begin another game, and a dream of it."""
        self.seed = seed
        frame, self.info = self._game.reset(seed=seed)
        self._frames, self.over = [frame], False
        self._actions: list[int] = []
        self.real_points = 0.0
        for _ in range(max(self._intro, self._context)):
            self._play(0)
        if self.over:
            raise ValueError(f"intro={self._intro}: the game of seed {seed} is over by then; choose fewer steps")
        return self._begin()

    def swap(self) -> Picture:
        """Let the dream begin anew where the game stands now."""
        return self._begin()

    def step(self, action: int) -> Picture:
        """One step of both; nothing happens to a game that is over.

        Raises:
            ValueError: an action that the game does not have.
        """
        if not 0 <= action < len(self.action_names):
            raise ValueError(f"action {action} is none of 0 to {len(self.action_names) - 1}")
        self._play(action)
        self._dream(action)
        return self.picture()

    def picture(self) -> Picture:
        """As both stand."""
        real = self._encode(self._frames[-2:])
        wrong = float((real != self._state.codes[0]).float().mean())
        if wrong > self._left_at and not (self._stands or self._left_after):
            self._left_after = self._step
        return Picture(
            step=self._step,
            dream=self.models.tokenizer.decode(self._state.codes)[0].numpy(),
            game=self._frames[-1],
            codes=self._state.codes[0].numpy().astype(np.uint16),
            real_codes=real.numpy().astype(np.uint16),
            entropy=self._entropy,
            points=self._points,
            real_points=self.real_points - self._points_before,
            lost=self._lost,
            left_after=self._left_after,
        )

    @torch.inference_mode()
    def _begin(self) -> Picture:
        """A dream of what the game has just shown."""
        frames, actions = self._frames[-self._context - 1 :], self._actions[-self._context + 1 :]
        pairs = [frames[max(0, t - 1) : t + 1] for t in range(1, len(frames))]
        grids = torch.stack([self._encode(pair) for pair in pairs])
        self._state = condition(self.models.model, grids[None], torch.tensor([actions]))
        self._sample = self.sampler.drawing_with([torch.Generator().manual_seed(self.seed)])
        self._grids, self._taken = list(grids), actions
        self._entropy = np.zeros(self.models.model.grid_shape, np.uint8)
        self._step = self._left_after = 0
        self._points = self._lost = 0.0
        self._points_before = self.real_points
        return self.picture()

    def _play(self, action: int) -> None:
        """One step of the game."""
        self._stands = self.over
        if self.over:
            return
        frame, reward, terminated, truncated, self.info = self._game.step(action)
        self.over = terminated or truncated
        self.real_points += float(reward)
        self.last = Played(action, float(reward), terminated, truncated, self.info)
        self._frames = [*self._frames[-self._context :], frame]
        self._actions = [*self._actions[-self._context :], action]

    @torch.inference_mode()
    def _dream(self, action: int) -> None:
        """One step of the dream."""
        step, self._state = predict(self.models.model, self._state, torch.tensor([action]), self._sample)
        self._entropy = _entropy(step.output.logits[0])
        self._step += 1
        kept = max(self._context, self.models.outcome.grids if self.models.outcome else 0)
        self._grids, self._taken = [*self._grids, step.codes[0]][-kept:], [*self._taken, action][-kept:]
        self._judge()

    def _judge(self) -> None:
        """What the last step that can be judged has earned in the dream."""
        outcome = self.models.outcome
        if outcome is None or self._step <= outcome.after:
            return
        grids, taken = self._grids[-outcome.grids :], self._taken[-outcome.grids + 1 :]
        judged = outcome.judge(torch.stack(grids)[None], torch.tensor([taken]))
        self._points += float(judged.expected[0, -1])
        self._lost = float(judged.lost[0, -1, 0])

    @torch.inference_mode()
    def _encode(self, frames: list[NDArray[np.uint8]]) -> Tensor:
        """Codes (h, w) of the last of a few frames."""
        pair = np.stack([frames[0], frames[-1]])[-self.models.tokenizer.num_frames :]
        return self.models.tokenizer.encode(torch.from_numpy(pair)[None])[0]


def _entropy(logits: Tensor) -> NDArray[np.uint8]:
    """Entropy (h, w) of logits (h, w, K), as a share of that of a uniform guess, times 255."""
    log = logits.float().log_softmax(-1)
    share = -(log.exp() * log).sum(-1) / np.log(logits.shape[-1])
    return (255 * share.clamp(0, 1)).round().to(torch.uint8).numpy()
