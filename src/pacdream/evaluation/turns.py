"""Does the dream turn when the game turns: ghosts become frightened after a power pill is eaten."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.game_space import DecodedRollouts, decode
from pacdream.evaluation.windows import held_out_episodes, windows_around
from pacdream.game.game import Game
from pacdream.metric.episode_metric import EpisodeMetric, Estimate, Figure, prefixed, ratio
from pacdream.metric.sprites import MIN_PIXELS
from pacdream.rollout.imagine import imagine
from pacdream.world_model.base import WorldModel

Frames = NDArray[np.uint8]
BEFORE, AFTER = 2, 3
"""A rollout begins so many frames before the first that shows a turn, and is looked at so many after it."""
QUIET = 16
"""Frames before a turn that show no frightened ghost: towards the end of their fright they blink."""
FALSE_WITHIN = 8
"""Imagined steps in which a turn that the game does not have is looked for."""


class TurnScore(EpisodeMetric):
    """Shares of real turns that were dreamt too, and of rollouts with a turn that was none."""

    def __init__(self, num_episodes: int) -> None:
        super().__init__(num_episodes, (4,))

    def update(self, dreamt: NDArray[np.bool_], real: bool, episode: Tensor) -> None:
        """Add whether rollouts (B,) show a turn, all of which are really one or really none."""
        counts = torch.zeros(len(dreamt), 4)
        counts[:, 0 if real else 2] = 1
        counts[:, 1 if real else 3] = torch.from_numpy(dreamt).float()
        self.add(counts, episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        """``turn`` and ``false_turn``."""
        turns, seen, others, false = sums.unbind(-1)
        return {"turn": ratio(seen, turns), "false_turn": ratio(false, others)}


def turned(frames: Frames, game: Game) -> NDArray[np.bool_]:
    """Whether frames (..., H, W) show a frightened ghost."""
    return np.asarray((game.playfield(frames) == game.turned_colour).sum((-2, -1)) >= MIN_PIXELS)


@torch.inference_mode()
def measure_turns(
    model: WorldModel,
    data: LatentDataModule,
    manifest: Manifest,
    decoded: DecodedRollouts,
    present: Frames,
    episode: Tensor,
    context: int,
    draws: Tensor,
) -> dict[str, Figure]:
    """Roll out from just before each turn of the held-out episodes, and look for false ones in other rollouts.

    Args:
        model: any world model.
        data: set up.
        manifest: of its episodes.
        decoded: rollouts of windows that were not chosen for a turn.
        present: (G, H, W) frame in which each begins.
        episode: (G,) rank of each one's episode.
        context: real grids before a rollout.
        draws: of the bootstrap.

    Returns:
        Those of the dreams, and those of the tokenizer alone; nothing for a game of which no such colour is known.
    """
    game = data.game
    if game.turned_colour is None:
        return {}
    score, best = TurnScore(len(draws[0])), TurnScore(len(draws[0]))
    really = np.concatenate([present[:, None], decoded.real[:, :FALSE_WITHIN]], 1)
    calm: NDArray[np.bool_] = np.logical_not(turned(really, game).any(1))
    imagined: NDArray[np.bool_] = np.asarray(turned(decoded.dreamt[:, :FALSE_WITHIN], game).any(1))
    score.update(imagined[calm], False, episode[torch.from_numpy(calm)])
    shown: NDArray[np.bool_] = np.asarray(turned(decoded.reconstructed[:, :FALSE_WITHIN], game).any(1))
    best.update(shown[calm], False, episode[torch.from_numpy(calm)])
    begin, first, rank = [], [], []
    for item in held_out_episodes(data, manifest):
        steps = _turns(turned(item.episode.frames, game)) - BEFORE
        start = int(data.cache.starts[data.split.val[item.rank]])
        begin += (start + steps).tolist()
        first += [start] * len(steps)
        rank += [item.rank] * len(steps)
    if begin:
        windows = windows_around(
            data, torch.tensor(begin), torch.tensor(first), context, BEFORE + AFTER, torch.tensor(rank)
        )
        codes = imagine(model, windows.codes[:, :context], windows.actions).codes[:, -1]
        for grids, of in ((codes, score), (windows.target[:, -1], best)):
            of.update(turned(decode(data.tokenizer, grids, "turns"), game), True, windows.episode)
    return prefixed("game/dream", score.with_intervals(draws)) | prefixed("game/tokenizer", best.with_intervals(draws))


def _turns(shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First frames of the turns in an episode whose frames (T+1,) show one or not, far enough from both ends."""
    first = np.flatnonzero(shown[1:] & ~shown[:-1]) + 1
    return np.array(
        [
            t
            for t in first
            if BEFORE <= t < len(shown) - AFTER and shown[t + AFTER] and not shown[max(0, t - QUIET) : t].any()
        ],
        np.int64,
    )
