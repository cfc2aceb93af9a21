"""How fast episodes are recorded, and how small they are."""

import tempfile
import time
from pathlib import Path

from omegaconf import DictConfig

from pacdream.core.instantiate import build
from pacdream.data.collect import play_episode
from pacdream.data.episode_store import write_episode
from pacdream.types import Episode


def play(config: DictConfig, steps: int) -> Episode:
    """An episode of at most ``steps`` steps of held random actions."""
    return play_episode(build(config.env), build(config.policy), 0, 0, steps)


def bench_recording(config: DictConfig) -> dict[str, float]:
    """Steps/s of one process, and bytes on disk per frame."""
    start = time.perf_counter()
    episode = play(config, config.record_steps)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        entry = write_episode(Path(folder), "episode.h5", "held_random", episode)
        size = (Path(folder) / entry.file).stat().st_size
    return {
        "recording/steps_per_second": len(episode.actions) / seconds,
        "recording/bytes_per_frame": size / len(episode.frames),
    }
