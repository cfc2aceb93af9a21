"""Dreams of a run as videos, beside what really happens with the same actions."""

import logging
import time
from pathlib import Path

import numpy as np
from hydra.core.hydra_config import HydraConfig
from numpy.typing import NDArray
from omegaconf import DictConfig

from pacdream.command.run import open_run
from pacdream.command.schemas import RolloutSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.device import best_device
from pacdream.core.instantiate import build
from pacdream.data.episode_store import read_manifest
from pacdream.evaluation.game_space import decode
from pacdream.evaluation.measure import check_model
from pacdream.evaluation.real_futures import played_future, recorded_future
from pacdream.evaluation.windows import held_out_windows
from pacdream.policy.base import generators
from pacdream.policy.recorded import RecordedPolicy
from pacdream.rollout.imagine import imagine
from pacdream.rollout.video import Film, write_strip, write_video

log = logging.getLogger(__name__)


def rollout(config: DictConfig) -> None:
    """Imagine a batch of dreams, and write one video for each into the command's folder.

    Raises:
        ValueError: not a run, or no episode is long enough, or the emulator cannot say what other actions lead to.
    """
    check_settings(config, RolloutSettings)
    if config.checkpoint is not None and config.run is None:
        raise ValueError(f"checkpoint={config.checkpoint} needs run=<folder of the run that it belongs to>")
    run = open_run(config.run, default=config, checkpoint=config.checkpoint)
    data = run.data(config.episodes, best_device())
    model = run.model(data.codes.device)
    manifest = read_manifest(data.folder)
    check_model(model, data, manifest)
    windows = held_out_windows(data, config.context, config.horizon, config.dreams, config.context - 1)
    policy = build(config.policy)
    if recorded := isinstance(policy, RecordedPolicy):
        policy = RecordedPolicy(windows.actions[:, config.context - 1 :].cpu().numpy())
    policy.begin(manifest.action_names, generators(config.seed, len(windows.codes)))
    context, seen = windows.codes[:, : config.context], windows.actions[:, : config.context - 1]
    begin = time.perf_counter()
    dreamt = imagine(model, context, seen, build(config.sampler), policy, config.horizon)
    dreams, steps = dreamt.actions.cpu().shape  # waits for the device
    log.info("%d dreams of %d steps: %.0f frames/s", dreams, steps, dreams * steps / (time.perf_counter() - begin))
    if recorded:
        real = recorded_future(data, manifest, windows)
    else:
        real = played_future(data, manifest, windows, dreamt.actions, config.seed)
    folder = Path(HydraConfig.get().runtime.output_dir)
    reconstructed = decode(data.tokenizer, real.codes, "decoding real codes")
    pictures = decode(data.tokenizer, dreamt.codes, "decoding dreams")
    rgb, wrong = manifest.rgb(), (dreamt.codes != real.codes).cpu().numpy()
    for i, actions in enumerate(dreamt.actions.tolist()):
        names = [manifest.action_names[action] for action in actions]
        film = Film(rgb[real.frames[i]], rgb[reconstructed[i]], rgb[pictures[i]], wrong[i], names)
        write_video(folder / f"dream_{i}.mp4", film, config.fps)
        write_strip(folder / f"dream_{i}.png", film, steps=8)
    log.info("right codes after 1, 2, 4, 8, … steps: %s", _accuracies(wrong))
    log.info("%d videos: %s", dreams, folder)


def _accuracies(wrong: NDArray[np.bool_]) -> str:
    """Of grids (B, T, h, w), in percent, at horizons that double."""
    horizons = [2**i for i in range(wrong.shape[1].bit_length())]
    return ", ".join(f"{1 - wrong[:, h - 1].mean():.0%}" for h in horizons)
