"""A recording as it is configured, and the folder it fills."""

import logging
import multiprocessing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pacdream.core.files import locked
from pacdream.core.instantiate import build
from pacdream.core.limits import Seed
from pacdream.core.settings import differences
from pacdream.data.collect import MAIN_GUARD, Recorder, file_name, index_of, record_all
from pacdream.data.episode_store import Manifest, is_intact, read_manifest, write_episode, write_manifest
from pacdream.game.palette_frames import PaletteFrames
from pacdream.policy.base import Policy
from pacdream.types import Episode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A data set to be: who plays what, how often, and where it goes."""

    env: dict[str, Any]
    """Builds the game; see ``conf/env``."""
    policy: dict[str, Any]
    """Builds the player; see ``conf/policy``."""
    episodes: int
    """Episodes wanted in the folder in all."""
    seed: Seed
    """Decides, with its number, the content of every episode."""
    max_steps: int
    """Longest episode in steps."""
    workers: int
    """Processes; the recording is the same for any number of them."""
    output: str
    """Folder of the files and the manifest."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.episodes, self.max_steps, self.workers) < 1:
            raise ValueError(
                f"episodes={self.episodes}, max_steps={self.max_steps} and workers={self.workers} "
                "must all be at least 1"
            )

    @property
    def folder(self) -> Path:
        """Where the files and the manifest go."""
        return Path(self.output)

    def record(self) -> Manifest:
        """Record until the folder holds all episodes wanted; what is there and intact is kept.

        Raises:
            ValueError: the folder holds episodes of other settings, or cannot be written; or a script records outside
                of its ``if __name__ == "__main__":``.
        """
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            # Its parent holds the lock and waits for this process, which would wait for the lock.
            raise ValueError(MAIN_GUARD)
        with locked(self.folder / ".lock", f"recording into {self.folder}"):
            manifest = self.manifest()
            missing = _missing(self.folder, manifest, self.episodes)
            if not missing:
                log.info("%s holds %d episodes already", self.folder, len(manifest.episodes))
                return manifest
            write_manifest(self.folder, manifest)
            recorder = Recorder(self._make_env, self._player, self.folder, self.seed, self.max_steps)
            return record_all(recorder, manifest, missing, min(self.workers, len(missing)))

    def manifest(self) -> Manifest:
        """The folder's manifest, an empty one if it has none.

        Raises:
            ValueError: it was recorded with other settings, or cannot be read.
        """
        if not (self.folder / "manifest.json").exists():
            return self._wanted
        found = read_manifest(self.folder)
        if not found.episodes:
            return self._wanted  # the recording ended before it had begun
        for name in ("settings", "provenance"):
            _check_same(self.folder, name, getattr(found, name), getattr(self._wanted, name))
        return found

    @cached_property
    def _wanted(self) -> Manifest:
        """Without episodes; the emulator is started for it, and only once."""
        empty = _empty_manifest(self._make_env(), self._settings())
        networks: dict[str, str] = getattr(self._player, "identities", {})
        return replace(empty, provenance={**empty.provenance, **networks})

    @cached_property
    def _player(self) -> Policy:
        player: Policy = build(self._config.policy)
        return player

    @property
    def _config(self) -> Any:
        return OmegaConf.create({"env": self.env, "policy": self.policy})

    @property
    def _make_env(self) -> Any:
        return partial(build, self._config.env)

    def _settings(self) -> dict[str, Any]:
        """All that decides the content of an episode beside its number."""
        return {"env": self.env, "policy": self.policy, "seed": self.seed, "max_steps": self.max_steps}


def append_episode(folder: Path, env: PaletteFrames, settings: dict[str, Any], episode: Episode) -> Path:
    """Store an episode that was played elsewhere, as the next one of a folder that is made if it does not exist.

    Args:
        folder: of episodes that were all played with these ``settings``.
        env: the game that was played.
        settings: ``env``, how to build the game, and ``policy``, with the ``name`` of who played.
        episode: what was played.

    Raises:
        ValueError: the folder holds episodes of other settings.
    """
    with locked(folder / ".lock", f"writing into {folder}"):
        manifest = _empty_manifest(env, settings)
        if (folder / "manifest.json").exists():
            wanted, manifest = manifest, read_manifest(folder)
            _check_same(folder, "settings", manifest.settings, wanted.settings)
        # By the files as well: a manifest that was lost or not written yet must not cost what was played.
        files = [entry.file for entry in manifest.episodes] + [
            path.name for path in folder.glob("episode_*.h5") if path.stem[8:].isdecimal()
        ]
        index = 1 + max(map(index_of, files), default=-1)
        entry = write_episode(folder, file_name(index), settings["policy"]["name"], episode)
        write_manifest(folder, manifest.with_entry(entry))
        return folder / entry.file


def _empty_manifest(env: PaletteFrames, settings: dict[str, Any]) -> Manifest:
    height, width = env.observation_space.shape  # type: ignore[misc]
    return Manifest(
        settings=settings,
        provenance=env.provenance,
        action_names=env.action_names,
        palette=tuple(bytes(colour).hex() for colour in env.palette),
        frame_shape=(height, width),
    )


def _check_same(folder: Path, what: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if changed := differences(found, wanted):
        raise ValueError(
            f"{folder} was recorded with other {what} ({', '.join(changed)}): "
            "use those, or another folder with output=<folder> (in train.py recording.output)"
        )


def _missing(folder: Path, manifest: Manifest, episodes: int) -> list[int]:
    """Numbers of the episodes to record: those wanted and not there, and those there but not as they were written."""
    there = {index_of(entry.file): entry for entry in manifest.episodes}
    damaged = [index for index, entry in there.items() if not is_intact(folder, entry)]
    for index in damaged:
        log.warning("%s is missing or damaged and is recorded again", folder / file_name(index))
    return sorted({*range(episodes)} - there.keys() | {*damaged})
