"""Oracles, each of which knows one part of the truth: they tell whether dynamics, outcome or search is to blame."""

from collections.abc import Callable

import ale_py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.game.game import Game
from pacdream.game.palette_frames import PaletteFrames, SavedState
from pacdream.metric.dots import dot_sites, maze_colours, sites_in
from pacdream.planner.imagination import Imagination
from pacdream.planner.judge import Judge
from pacdream.planner.prospects import Present, Prospects
from pacdream.tokenizer.base import Tokenizer

DOT = 10.0
"""Points of a dot."""


class EmulatorForesight:
    """The emulator's dynamics with its own points and lives: what the search could reach with a perfect dream.

    Plans are played in a console of its own, with sticky frames of its own, so that the game stays as it was.
    """

    def __init__(self, make_env: Callable[[], PaletteFrames], seed: int, aftermath: int = 0) -> None:
        """Build a console.

        Args:
            make_env: builds the game that is played.
            seed: decides the sticky frames.
            aftermath: steps without a move after a plan, in which it is seen whether a life is about to be lost: the
                game counts one as lost long after a ghost has caught the player.
        """
        self._env, self._aftermath = make_env(), aftermath
        self._env.reset(seed=seed)

    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        played = [self._play(saved, actions) for saved, actions in _each(present, plans)]
        return Prospects(*(torch.tensor(part) for part in zip(*played, strict=True)))

    def _play(self, saved: SavedState, actions: list[int]) -> tuple[list[float], list[float], float]:
        """Points of each step; 1 for the step that costs a life, after which nothing counts; 1 if one is lost later."""
        self._env.restore(saved)
        points, dies = [0.0] * len(actions), [0.0] * len(actions)
        for t, action in enumerate(actions):
            points[t], lost = self._step(self._env.ale_actions[action])
            if lost:
                dies[t] = 1.0
                return points, dies, 0.0
        soon = any(self._step(ale_py.Action.NOOP)[1] for _ in range(self._aftermath))
        return points, dies, float(soon)

    def _step(self, action: ale_py.Action) -> tuple[float, bool]:
        """Points, and whether a life is lost."""
        ale = self._env.ale
        lives = ale.lives()
        points = float(sum(ale.act(action) for _ in range(self._env.frameskip)))
        return points, ale.lives() < lives


class JudgedEmulator:
    """The emulator's dynamics, judged by networks: what is lost against ``EmulatorForesight`` is their fault."""

    def __init__(self, make_env: Callable[[], PaletteFrames], seed: int, tokenizer: Tokenizer, judge: Judge) -> None:
        """``seed`` decides the sticky frames."""
        self._env = make_env()
        self._env.reset(seed=seed)
        self._tokenizer, self._judge = tokenizer, judge

    @torch.inference_mode()
    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        assert present.frames is not None
        now = present.frames.repeat_interleave(plans.shape[1], 0).cpu().numpy()
        later = [self._frames(saved, actions) for saved, actions in _each(present, plans)]
        frames = np.concatenate([now[:, None], np.stack(later)], 1)
        pairs = torch.from_numpy(frames).unfold(1, 2, 1).permute(0, 1, 4, 2, 3)[:, :, -self._tokenizer.num_frames :]
        parts = pairs.flatten(0, 1).to(plans.device).split(self._judge.batch_size)
        codes = torch.cat([self._tokenizer.encode(part) for part in parts])
        grids = codes.view(*plans.shape, *codes.shape[1:])
        return self._judge(present, grids, plans)

    def _frames(self, saved: SavedState, actions: list[int]) -> NDArray[np.uint8]:
        """Frames (T, H, W); the last one again after the end of the game."""
        self._env.restore(saved)
        frames: list[NDArray[np.uint8]] = []
        for action in actions:
            over = frames and self._env.ale.game_over()
            frames.append(frames[-1] if over else self._env.step(action)[0])
        return np.stack(frames)


class CountedDream:
    """Learned dynamics with dots counted in the decoded frames: what is better than the dream is the outcome's fault.

    Only dots give points here, and nobody dies: it is to be compared by points, not played with.
    """

    def __init__(self, imagination: Imagination, tokenizer: Tokenizer, game: Game) -> None:
        """``game`` must be known to have dots."""
        self._imagination, self._tokenizer, self._game = imagination, tokenizer, game

    @torch.inference_mode()
    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        assert self._game.dot_size is not None
        grids = self._imagination.imagine(present, plans).flatten(0, 1)
        rows = torch.arange(len(plans)).repeat_interleave(plans.shape[1])
        now = self._game.playfield(self._tokenizer.decode(present.state.codes).cpu().numpy())
        points = torch.zeros(grids.shape[:2])
        for n, row in enumerate(rows.tolist()):
            sites, (floor, _) = dot_sites(now[row], self._game.dot_size), maze_colours(now[row])
            frames = self._game.playfield(self._tokenizer.decode(grids[n]).cpu().numpy())
            eaten = sites_in(frames, sites, self._game.dot_size, floor)
            points[n] = DOT * torch.from_numpy(np.diff(eaten, prepend=0)).float()
        return Prospects(points, torch.zeros_like(points), torch.zeros(len(points)))


def _each(present: Present, plans: Tensor) -> list[tuple[SavedState, list[int]]]:
    """For each plan, where its game stands and its actions."""
    if present.games is None:
        raise ValueError("an oracle looks into the game, and there is none in a dream")
    saved = [game.save(action) for game, action in zip(present.games, present.last_actions, strict=True)]
    return [(state, actions) for state, some in zip(saved, plans.tolist(), strict=True) for actions in some]
