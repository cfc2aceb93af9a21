"""Recording: policies play the game in worker processes, each episode becomes one file."""

import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from omegaconf import OmegaConf
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pacdream.data.episode_store import (
    EpisodeEntry,
    Manifest,
    is_intact,
    read_manifest,
    write_episode,
    write_manifest,
)
from pacdream.env.atari import PaletteFrames
from pacdream.policy.base import Policy
from pacdream.runtime.instantiate import build
from pacdream.types import Episode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recorder:
    """All that a worker process needs to record an episode by its number."""

    make_env: Callable[[], PaletteFrames]
    policy: Policy
    folder: Path
    seed: int
    max_steps: int

    def record(self, index: int) -> EpisodeEntry:
        """Play episode ``index`` and write its file. Depends on the seed and the number only, not on who else plays."""
        env_seed, policy_seed = np.random.SeedSequence([self.seed, index]).generate_state(2)
        episode = play_episode(self.make_env(), self.policy, int(env_seed), int(policy_seed), self.max_steps)
        return write_episode(self.folder, file_name(index), self.policy.name, episode)


def file_name(index: int) -> str:
    """Name of the file of episode ``index``."""
    return f"episode_{index:06d}.h5"


def play_episode(env: PaletteFrames, policy: Policy, env_seed: int, policy_seed: int, max_steps: int) -> Episode:
    """Play one episode from reset to its end, or to ``max_steps`` steps."""
    frame, info = env.reset(seed=env_seed)
    policy.reset(env, np.random.default_rng(policy_seed))
    frames, rams, lives = [frame], [info["ram"]], [info["lives"]]
    steps: list[tuple[int, float, bool, bool]] = []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        action = policy.act(env)
        frame, reward, terminated, truncated, info = env.step(action)
        truncated = not terminated and (truncated or len(steps) + 1 >= max_steps)
        steps.append((action, float(reward), terminated, truncated))
        frames.append(frame)
        rams.append(info["ram"])
        lives.append(info["lives"])
    actions, rewards, terminations, truncations = zip(*steps, strict=True)
    return Episode(
        frames=np.stack(frames),
        actions=np.array(actions, np.uint8),
        rewards=np.array(rewards, np.float32),
        terminated=np.array(terminations, np.bool_),
        truncated=np.array(truncations, np.bool_),
        lives=np.array(lives, np.uint8),
        ram=np.stack(rams),
    )


@dataclass(frozen=True)
class Recording:
    """A data set to be: who plays what, how often, and where it goes."""

    env: dict[str, Any]
    """Builds the game; see ``conf/env``."""
    policy: dict[str, Any]
    """Builds the player; see ``conf/policy``."""
    episodes: int
    """Episodes wanted in the folder in all."""
    seed: int
    """Decides, with its number, the content of every episode."""
    max_steps: int
    """Longest episode in steps."""
    workers: int
    """Processes; the recording is the same for any number of them."""
    output: str
    """Folder of the files and the manifest."""

    def record(self) -> Manifest:
        """Record until the folder holds all episodes wanted; what is there and intact is kept.

        Raises:
            ValueError: the folder holds episodes of other settings, or cannot be written.
        """
        if min(self.episodes, self.max_steps, self.workers) < 1:
            raise ValueError(
                f"episodes={self.episodes}, max_steps={self.max_steps} and workers={self.workers} "
                "must all be at least 1"
            )
        folder = Path(self.output)
        config = OmegaConf.create({"env": self.env, "policy": self.policy})
        make_env = partial(build, config.env)
        recorder = Recorder(make_env, build(config.policy), folder, self.seed, self.max_steps)
        wanted = _empty_manifest(make_env(), self._settings())
        _make_folder(folder)
        with FileLock(folder / ".lock"):
            manifest = _open_manifest(folder, wanted)
            missing = _missing(folder, manifest, self.episodes)
            if not missing:
                log.info("%s holds %d episodes already", folder, len(manifest.episodes))
                return manifest
            return _record_all(recorder, manifest, missing, min(self.workers, len(missing)))

    def _settings(self) -> dict[str, Any]:
        """All that decides the content of an episode beside its number."""
        return {"env": self.env, "policy": self.policy, "seed": self.seed, "max_steps": self.max_steps}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error} (choose another with paths.outputs=<folder>)") from error


def _empty_manifest(env: PaletteFrames, settings: dict[str, Any]) -> Manifest:
    height, width = env.observation_space.shape  # type: ignore[misc]
    return Manifest(
        settings=settings,
        provenance=env.provenance,
        action_names=env.action_names,
        palette=tuple(bytes(colour).hex() for colour in env.palette),
        frame_shape=(height, width),
    )


def _open_manifest(folder: Path, wanted: Manifest) -> Manifest:
    """The folder's manifest, new if there is none, refused if it was made with other settings."""
    if not (folder / "manifest.json").exists():
        write_manifest(folder, wanted)
        return wanted
    found = read_manifest(folder)
    for name in ("settings", "provenance"):
        there, here = _flatten(getattr(found, name)), _flatten(getattr(wanted, name))
        different = [k for k in sorted({*there, *here}) if there.get(k) != here.get(k)]
        if different:
            listed = ", ".join(f"{k}: {there.get(k)} -> {here.get(k)}" for k in different)
            raise ValueError(
                f"{folder} was recorded with other {name} ({listed}): use those, or another folder with output=<folder>"
            )
    return found


def _flatten(nested: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(nested, dict):
        return {prefix: nested}
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flatten(value, f"{prefix}.{key}".lstrip("."))
    return flat


def _missing(folder: Path, manifest: Manifest, episodes: int) -> list[int]:
    """Numbers of the episodes to record: those wanted and not there, and those there but not as they were written."""
    there = {int(Path(entry.file).stem.removeprefix("episode_")): entry for entry in manifest.episodes}
    damaged = [index for index, entry in there.items() if not is_intact(folder, entry)]
    for index in damaged:
        log.warning("%s is missing or damaged and is recorded again", folder / file_name(index))
    return sorted({*range(episodes)} - there.keys() | {*damaged})


def _record_all(recorder: Recorder, manifest: Manifest, missing: list[int], workers: int) -> Manifest:
    log.info("recording %d episodes into %s with %d processes", len(missing), recorder.folder, workers)
    columns = (
        TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"),
        TextColumn("{task.fields[steps]} steps"), TimeRemainingColumn(),
    )  # fmt: skip
    # "spawn": the emulator and torch's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        with Progress(*columns) as progress:
            task = progress.add_task("", total=len(missing), steps=0)
            futures = [pool.submit(recorder.record, index) for index in missing]
            for future in as_completed(futures):
                manifest = manifest.with_entry(future.result())
                write_manifest(recorder.folder, manifest)
                progress.update(task, advance=1, steps=manifest.num_steps)
    finally:
        # After an error or Ctrl-C: do not start what has not begun; what is written stays.
        pool.shutdown(wait=True, cancel_futures=True)
    return manifest
