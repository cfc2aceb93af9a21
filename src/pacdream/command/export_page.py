"""The dream as a folder of files that needs no server of ours."""

import itertools
import logging
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from pacdream.command.play import open_models
from pacdream.command.schemas import ExportPageSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.instantiate import build
from pacdream.data.collect import episode_seeds, play_episode
from pacdream.data.latent_cache import encode_episode
from pacdream.game.palette_frames import PaletteFrames
from pacdream.play.static_page import check_runtime, write_page
from pacdream.policy.base import Policy
from pacdream.tokenizer.base import Tokenizer

log = logging.getLogger(__name__)


def export_page(config: DictConfig) -> None:
    """Write the page of a run into ``config.output``.

    Raises:
        ValueError: not a run of a world model, or onnxruntime-web is not where it is said to be.
    """
    check_settings(config, ExportPageSettings)
    check_runtime(Path(config.runtime))  # before anything is played for it
    models = open_models(config.run, config.outcome, config.env)
    env: PaletteFrames = build(config.env)
    contexts = play_contexts(
        env, build(config.policy), models.tokenizer, config.starts, config.context, config.intro, config.seed
    )
    output = Path(config.output)
    size = write_page(models, env.action_names, contexts, Path(config.runtime), output, config.fps, config.temperature)
    log.info("%.1f MB in %s; to look at it: python -m http.server --directory %s", size / 1e6, output, output)


def play_contexts(
    env: PaletteFrames, policy: Policy, tokenizer: Tokenizer, count: int, length: int, intro: int, seed: int
) -> tuple[Tensor, Tensor]:
    """What happened before moments in which dreams can begin: grids (N, C, h, w) and the actions (N, C - 1) between.

    Each is from a game of its own, from 0 to 192 steps after the intro; games that are over by then are left out.

    Raises:
        ValueError: nearly all are over by then.
    """
    grids: list[Tensor] = []
    actions: list[Tensor] = []
    for index in itertools.count():
        if len(grids) == count:
            break
        if index == 10 * count:
            raise ValueError(f"intro={intro}: most games are over by then; choose fewer steps")
        steps = max(intro, length + 1) + 8 * (index % 25)
        episode = play_episode(env, policy, *episode_seeds(seed, index), max_steps=steps)
        if episode.terminated[-1]:
            continue
        frames = torch.from_numpy(episode.frames[-length - tokenizer.num_frames + 1 :])
        codes = torch.cat(list(encode_episode(tokenizer, frames, torch.device("cpu"), len(frames))))
        grids.append(codes[-length:].long())
        actions.append(torch.from_numpy(episode.actions[len(episode.actions) - length + 1 :]).long())
    return torch.stack(grids), torch.stack(actions)
