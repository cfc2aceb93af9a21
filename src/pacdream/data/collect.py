"""Playing: policies play the game in worker processes, each episode becomes one file."""

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pacdream.core.resolvers import cpu_count
from pacdream.data.episode_store import EpisodeEntry, Manifest, write_episode, write_manifest
from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Policy
from pacdream.types import Episode

log = logging.getLogger(__name__)

MAIN_GUARD = (
    'recording starts processes, each of which imports your script: put what your script does under `if __name__ == "'
    '__main__":`'
)


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
        env_seed, policy_seed = episode_seeds(self.seed, index)
        episode = play_episode(self.make_env(), self.policy, env_seed, policy_seed, self.max_steps)
        return write_episode(self.folder, file_name(index), self.policy.name, episode)


def _record(recorder: bytes, index: int) -> EpisodeEntry:
    """What a worker process does."""
    return pickle.loads(recorder).record(index)


def episode_seeds(seed: int, index: int) -> tuple[int, int]:
    """Seeds of the game and of the player for episode ``index`` of a recording with this seed."""
    env_seed, policy_seed = np.random.SeedSequence([seed, index]).generate_state(2)
    return int(env_seed), int(policy_seed)


def file_name(index: int) -> str:
    """Name of the file of episode ``index``."""
    return f"episode_{index:06d}.h5"


def index_of(file: str) -> int:
    """Number of the episode in a file of this name."""
    return int(Path(file).stem.removeprefix("episode_"))


def _begin_worker(threads: int) -> None:
    """Leave Ctrl-C to the parent, which lets the running episodes end, but do not outlive it if it is killed.

    A policy with networks gets its share of the cores: more threads than cores make all of them slower.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torch is loaded later, with the policy
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def play_episode(env: PaletteFrames, policy: Policy, env_seed: int, policy_seed: int, max_steps: int) -> Episode:
    """Play one episode from reset to its end, or to ``max_steps`` steps."""
    frame, info = env.reset(seed=env_seed)
    policy.begin(env.action_names, [np.random.default_rng(policy_seed)], [env])
    frames, rams, lives = [frame], [info["ram"]], [info["lives"]]
    steps: list[tuple[int, float, bool, bool]] = []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        action = int(policy.act(frame[None])[0])
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


def record_all(recorder: Recorder, manifest: Manifest, missing: list[int], workers: int) -> Manifest:
    """Record the episodes with these numbers in ``workers`` processes; the manifest is written after each.

    Raises:
        ValueError: one of the processes was killed.
    """
    log.info("recording %d episodes into %s with %d processes", len(missing), recorder.folder, workers)
    columns = (
        TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"),
        TextColumn("{task.fields[steps]} steps"), TimeRemainingColumn(),
    )  # fmt: skip
    # "spawn": the emulator and torch's threads do not survive a fork. Inside a job of the joblib launcher a spawned
    # process would be told to begin as joblib's own do, which it cannot.
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        multiprocessing.set_start_method("spawn", force=True)
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
        initargs=(max(1, cpu_count() // workers),),
    )
    # As bytes: the pool would send each tensor of a player's networks as an open file, of which there are too few.
    recorder_bytes = pickle.dumps(recorder)
    futures = [pool.submit(_record, recorder_bytes, index) for index in missing]
    stored = manifest
    try:
        with Progress(*columns) as progress:
            task = progress.add_task("", total=len(missing), steps=0)
            for future in as_completed(futures):
                manifest = manifest.with_entry(future.result())
                write_manifest(recorder.folder, manifest)
                stored = manifest
                progress.update(task, advance=1, steps=manifest.num_steps)
    except BrokenProcessPool as error:
        raise ValueError(
            "a recording process was killed, perhaps for want of memory: what has been recorded is kept, go on with "
            f"fewer than workers={workers} by the same command (if you use a script of your own: {MAIN_GUARD})"
        ) from error
    except BaseException:
        log.warning(
            "stopping as soon as the episodes that were handed to the processes have ended; "
            "the same command records the others"
        )
        raise
    finally:
        # After an error or Ctrl-C: do not start what has not begun, keep what is finished.
        pool.shutdown(wait=True, cancel_futures=True)
        for future in futures:
            if not future.cancelled() and future.exception() is None:
                manifest = manifest.with_entry(future.result())
        if manifest != stored:
            write_manifest(recorder.folder, manifest)
    return manifest
