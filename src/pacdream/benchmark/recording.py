"""How fast episodes are recorded, and how small they are."""

import json
import tempfile
import time
from pathlib import Path

from omegaconf import DictConfig

from pacdream.core.instantiate import build
from pacdream.data.collect import play_episode
from pacdream.data.episode_store import EpisodeEntry, read_episode, write_episode
from pacdream.policy.held_random import HeldRandomPolicy
from pacdream.types import Episode


def play(config: DictConfig, steps: int) -> Episode:
    """An episode of at most ``steps`` steps of held random actions."""
    return play_episode(build(config.env), HeldRandomPolicy(max_hold=8), 0, 0, steps)


def bench_recording(config: DictConfig) -> dict[str, float]:
    """Steps/s of one process, bytes on disk per frame; the same episode as a list of dictionaries in JSON."""
    start = time.perf_counter()
    episode = play(config, config.record_steps)
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        entry = write_episode(Path(folder), "episode.h5", "held_random", episode)
        size = (Path(folder) / entry.file).stat().st_size
        reading = _seconds_to_read(Path(folder), entry)
        json_size, json_reading = _as_json(Path(folder) / "episode.json", episode, config.json_frames)
    frames = len(episode.frames)
    return {
        "recording/steps_per_second": len(episode.actions) / seconds,
        "recording/bytes_per_frame": size / frames,
        "recording/json_bytes_over_ours": json_size / (size / frames),
        "recording/json_reading_over_ours": json_reading / (reading / frames),
    }


def _seconds_to_read(folder: Path, entry: EpisodeEntry) -> float:
    start = time.perf_counter()
    read_episode(folder, entry, num_actions=18)
    return time.perf_counter() - start


def _as_json(path: Path, episode: Episode, frames: int) -> tuple[float, float]:
    """Bytes and seconds to read per frame of the naive way."""
    steps = zip(episode.frames[:frames].tolist(), episode.actions.tolist(), episode.rewards.tolist(), strict=False)
    with path.open("w") as file:
        json.dump([{"frame": frame, "action": action, "reward": reward} for frame, action, reward in steps], file)
    start = time.perf_counter()
    with path.open() as file:
        count = len(json.load(file))
    return path.stat().st_size / count, (time.perf_counter() - start) / count
