"""Dreams in the game's own space: pixels, sprites, dots; and beside them what the tokenizer alone makes of reality."""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from pacdream.evaluation.branches import HeldDirections
from pacdream.evaluation.real_futures import RecordedFrames
from pacdream.game.game import Game
from pacdream.metric.control import ControlScore, MoveScore, headings
from pacdream.metric.dots import DotScore, EatenScore
from pacdream.metric.episode_metric import Figure, prefixed
from pacdream.metric.pixels import PixelScore
from pacdream.metric.sprites import SpriteScore, locate, position_skill
from pacdream.rollout.imagine import imagine
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel

Frames = NDArray[np.uint8]
_DECODE_BATCH = 16
"""Frames at once: small batches stay in a CPU's caches."""


@torch.inference_mode()
def decode(tokenizer: Tokenizer, codes: Tensor, doing: str) -> Frames:
    """Frames (..., H, W) of grids (..., h, w), with a progress bar."""
    device = tokenizer.palette_indices.device
    batches = codes.flatten(0, -3).to(device).split(_DECODE_BATCH if device.type == "cpu" else 512)
    frames = [tokenizer.decode(batch).cpu().numpy() for batch in track(batches, doing)]
    return np.concatenate(frames).reshape(*codes.shape[:-2], *tokenizer.frame_shape)


@dataclass(frozen=True)
class DecodedRollouts:
    """G windows as pictures (G, T, H, W)."""

    real: Frames
    reconstructed: Frames
    """The real codes, decoded."""
    dreamt: Frames
    copied: Frames
    """(G, H, W) the codes of the present frame, decoded: what a copier shows for ever."""


def measure_game(
    decoded: DecodedRollouts,
    recorded: RecordedFrames,
    episode: Tensor,
    rgb: NDArray[np.uint8],
    draws: Tensor,
    game: Game,
) -> dict[str, Figure]:
    """The same figures for the dream, a copy, the tokenizer's reconstruction and, of sprites, the real frames."""
    episodes, horizon = len(draws[0]), decoded.real.shape[1]
    figures: dict[str, Figure] = {}
    copied = np.broadcast_to(decoded.copied[:, None], decoded.real.shape)
    rows = {
        "dream": decoded.dreamt,
        "copy": copied,
        "tokenizer": decoded.reconstructed,
        "real": decoded.real,
    }
    for name, pictures in rows.items():
        if name != "real":
            pixels = PixelScore(episodes, horizon)
            pixels.update(pictures, decoded.real, rgb, episode)
            figures |= prefixed(f"game/{name}", pixels.with_intervals(draws))
        if name != "real" and game.dot_size:
            dots = DotScore(episodes, horizon, game.dot_size)
            shown, original, present = map(game.playfield, (pictures, decoded.real, recorded.frames[:, 0]))
            dots.update(shown, original, present, episode)
            eaten = EatenScore(episodes, horizon, game.dot_size)
            eaten.update(shown, original, present, episode)
            figures |= prefixed(f"game/{name}", dots.with_intervals(draws) | eaten.with_intervals(draws))
    for sprite in game.sprites:
        truth = sprite.positions(recorded.ram[:, 1:])
        seen = {
            name: locate(game.playfield(pictures), sprite.palette_index)
            for name, pictures in {**rows, "copy": decoded.copied[:, None]}.items()
        }
        for name in rows:
            score = SpriteScore(episodes, horizon)
            score.update(seen[name].spread(horizon), seen["real"], truth, episode)
            figures |= prefixed(f"game/{name}/{sprite.name}", score.with_intervals(draws))
    if game.sprites:
        errors = (
            [figures[f"game/{row}/{sprite.name}/median"] for sprite in game.sprites]
            for row in ("dream", "tokenizer", "copy")
        )
        figures["game/position_skill"] = position_skill(*errors)
    pixels = PixelScore(episodes, horizon)
    pixels.update(decoded.dreamt, decoded.reconstructed, rgb, episode)
    figures |= prefixed("game/dream_to_reconstruction", pixels.with_intervals(draws))
    return figures


@torch.inference_mode()
def measure_control(
    model: WorldModel, tokenizer: Tokenizer, directions: HeldDirections, draws: Tensor, batch_size: int, game: Game
) -> dict[str, Figure]:
    """Dream each action from the same moments, so many rollouts at once, and compare with the real futures."""
    moments, count = directions.moments, len(directions.actions)
    horizon = directions.futures.shape[2]
    context = moments.codes[:, : moments.context].repeat_interleave(count, 0)
    held = torch.tensor(directions.actions, device=context.device).repeat(len(moments.codes))
    seen = moments.actions[:, : moments.context - 1].repeat_interleave(count, 0)
    actions = torch.cat([seen, held[:, None].expand(-1, horizon)], 1)
    parts = zip(context.split(batch_size), actions.split(batch_size), strict=True)
    codes = torch.cat([imagine(model, some, taken).codes for some, taken in parts])
    imagined = rearrange(codes, "(M A) T h w -> M A T h w", A=count)
    score = ControlScore(len(draws[0]), horizon)
    score.update(imagined, directions.futures, moments.episode)
    figures = prefixed("control", score.with_intervals(draws))
    if game.player:
        begin = _player(game, decode(tokenizer, moments.present[:, 0], "where the player is"))
        went = [
            headings(_player(game, decode(tokenizer, futures[:, :, -1], "where it goes")) - begin[:, None])
            for futures in (imagined, directions.futures)
        ]
        moves = MoveScore(len(draws[0]))
        moves.update(went[0], went[1], directions.headings, moments.episode)
        figures |= prefixed("control", moves.with_intervals(draws))
    return figures


def _player(game: Game, frames: Frames) -> NDArray[np.float32]:
    """Position (..., 2) of the player in frames (..., H, W)."""
    assert game.player is not None
    return locate(game.playfield(frames), game.player.palette_index).position
