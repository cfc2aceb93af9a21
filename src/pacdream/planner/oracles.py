"""Oracles, each of which knows one part of the truth: they tell whether dynamics, outcome or search is to blame."""

from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

import ale_py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.game.game import Game
from pacdream.game.palette_frames import PaletteFrames
from pacdream.metric.dots import dot_sites, maze_colours, sites_in
from pacdream.planner.imagination import Imagination
from pacdream.planner.judge import Judge
from pacdream.planner.prospects import Present, Prospects
from pacdream.tokenizer.base import Tokenizer

DOT = 10.0
"""Points of a dot."""


class EmulatorForesight:
    """The emulator's dynamics with its own points and lives: what the search could reach with a perfect dream.

    Plans are played in a console of its own for each game, with sticky frames of its own, so that games stay as they
    were, and what is foretold of one does not depend on the others.
    """

    def __init__(self, make_env: Callable[[], PaletteFrames], seed: int, aftermath: int = 0) -> None:
        """Build a console.

        Args:
            make_env: builds the game that is played.
            seed: decides the sticky frames.
            aftermath: steps without a move after a plan, in which it is seen whether a life is about to be lost: the
                game counts one as lost long after a ghost has caught the player.
        """
        self._consoles, self._aftermath = _Consoles(make_env, seed), aftermath

    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        played = [self._play(console, actions) for console, actions in self._consoles.each(present, plans)]
        return Prospects(*(torch.tensor(part) for part in zip(*played, strict=True)))

    def _play(self, console: PaletteFrames, actions: list[int]) -> tuple[list[float], list[float], float]:
        """Points of each step; 1 for the step that costs a life, after which nothing counts; 1 if one is lost later."""
        points, dies = [0.0] * len(actions), [0.0] * len(actions)
        for t, action in enumerate(actions):
            points[t], lost = _step(console, console.ale_actions[action])
            if lost:
                dies[t] = 1.0
                return points, dies, 0.0
        soon = any(_step(console, ale_py.Action.NOOP)[1] for _ in range(self._aftermath))
        return points, dies, float(soon)


class JudgedEmulator:
    """The emulator's dynamics, judged by networks: what is lost against ``EmulatorForesight`` is their fault."""

    def __init__(self, make_env: Callable[[], PaletteFrames], seed: int, tokenizer: Tokenizer, judge: Judge) -> None:
        """``seed`` decides the sticky frames."""
        self._consoles, self._tokenizer, self._judge = _Consoles(make_env, seed), tokenizer, judge

    @torch.inference_mode()
    def foretell(self, present: Present, plans: Tensor) -> Prospects:
        """See ``Foresight``."""
        assert present.frames is not None
        now = present.frames.repeat_interleave(plans.shape[1], 0).cpu().numpy()
        later = [_frames(console, actions) for console, actions in self._consoles.each(present, plans)]
        frames = np.concatenate([now[:, None], np.stack(later)], 1)
        pairs = torch.from_numpy(frames).unfold(1, 2, 1).permute(0, 1, 4, 2, 3)[:, :, -self._tokenizer.num_frames :]
        parts = pairs.flatten(0, 1).to(plans.device).split(self._judge.batch_size)
        codes = torch.cat([self._tokenizer.encode(part) for part in parts])
        grids = codes.view(*plans.shape, *codes.shape[1:])
        return self._judge(present, grids, plans)


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


class _Consoles:
    """A console of its own for each game that is asked about."""

    def __init__(self, make_env: Callable[[], PaletteFrames], seed: int) -> None:
        self._make_env, self._seed = make_env, seed
        self._of: WeakKeyDictionary[PaletteFrames, PaletteFrames] = WeakKeyDictionary()

    def each(self, present: Present, plans: Tensor) -> Iterator[tuple[PaletteFrames, list[int]]]:
        """For each plan, a console that stands where its game does, and its actions."""
        if present.games is None:
            raise ValueError("an oracle looks into the game, and there is none in a dream")
        for game, last_action, some in zip(present.games, present.last_actions, plans.tolist(), strict=True):
            if game not in self._of:
                self._of[game] = self._make_env()
                self._of[game].reset(seed=self._seed)
            saved = game.save(last_action)
            for actions in some:
                self._of[game].restore(saved)
                yield self._of[game], actions


def _step(console: PaletteFrames, action: ale_py.Action) -> tuple[float, bool]:
    """Points, and whether a life is lost."""
    lives = console.ale.lives()
    points = float(sum(console.ale.act(action) for _ in range(console.frameskip)))
    return points, console.ale.lives() < lives


def _frames(console: PaletteFrames, actions: list[int]) -> NDArray[np.uint8]:
    """Frames (T, H, W); the last one again after the end of the game."""
    frames: list[NDArray[np.uint8]] = []
    for action in actions:
        over = frames and console.ale.game_over()
        frames.append(frames[-1] if over else console.step(action)[0])
    return np.stack(frames)
