"""Several games at once, played by one policy."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Policy

log = logging.getLogger(__name__)
_TELL_EVERY = 100
"""Steps: a planner's games last an hour, and a log file shows no progress bar."""


@dataclass(frozen=True)
class Played:
    """What B games came to."""

    scores: NDArray[np.float64]
    """(B,) points."""
    steps: NDArray[np.int64]
    """(B,) until the game was over, or as many as were allowed."""
    unfinished: int
    """Games that were not over by then."""
    seconds_per_decision: float
    """Of one game: the time of all decisions, divided by their number."""


Watch = Callable[[int, NDArray[np.uint8], NDArray[np.bool_]], None]
"""Called with the number of the step, the frames (B, H, W) that have just been acted on, and which games (B,) go on."""


def play_games(
    make_env: Callable[[], PaletteFrames],
    policy: Policy,
    seeds: Sequence[tuple[int, int]],
    max_steps: int,
    watch: Watch | None = None,
) -> Played:
    """Play B games side by side from their beginning to their end.

    What happens in a game depends on its seeds and the policy only, not on the other games: a game that is over keeps
    its last frame until all are.

    Args:
        make_env: builds a game.
        policy: acts in all of them.
        seeds: of each game, and of the policy's generator for it.
        max_steps: longest game.
        watch: sees what is acted on.
    """
    games = [make_env() for _ in seeds]
    frames = np.stack([game.reset(seed=seed)[0] for game, (seed, _) in zip(games, seeds, strict=True)])
    policy.begin(games[0].action_names, [np.random.default_rng(seed) for _, seed in seeds], games)
    scores, steps = np.zeros(len(games)), np.zeros(len(games), np.int64)
    playing = np.ones(len(games), np.bool_)
    seconds = 0.0
    for t in range(max_steps):
        begin = time.perf_counter()
        actions = policy.act(frames)
        seconds += time.perf_counter() - begin
        if watch:
            watch(t, frames, playing)
        frames = frames.copy()
        for row in np.flatnonzero(playing).tolist():
            frames[row], reward, terminated, truncated, _ = games[row].step(int(actions[row]))
            scores[row] += float(reward)
            steps[row] += 1
            playing[row] = not (terminated or truncated)
            if not playing[row]:
                log.info("game %d: %.0f points in %d steps", row, scores[row], steps[row])
        if not playing.any():
            break
        if (t + 1) % _TELL_EVERY == 0:
            log.info("step %d: %.0f points in the mean, games that go on: %d", t + 1, scores.mean(), playing.sum())
    return Played(scores, steps, int(playing.sum()), seconds / max(1, int(steps.sum())))
