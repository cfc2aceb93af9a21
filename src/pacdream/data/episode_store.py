"""Episodes on disk: one HDF5 file each, and a manifest that knows them all by content."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from pacdream.core.files import atomic_path, one_line, sha256_of, write_json
from pacdream.core.instantiate import current_targets
from pacdream.types import Episode

SCHEMA = 2
# 16 frames to a chunk: reading a window decompresses little, and neighbouring frames still share their redundancy.
_CHUNK = 16


@dataclass(frozen=True)
class EpisodeEntry:
    """What the manifest knows of one episode."""

    file: str
    policy: str
    length: int
    total_reward: float
    colours: dict[str, int]
    """Pixels of each palette index over the whole episode."""
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A folder of episodes that were all recorded with the same settings."""

    settings: dict[str, Any]
    """Environment, policy, seed and step limit: all that decides the content of an episode beside its number."""
    provenance: dict[str, str]
    action_names: tuple[str, ...]
    palette: tuple[str, ...]
    """256 RGB colours in hexadecimal."""
    frame_shape: tuple[int, int]
    episodes: tuple[EpisodeEntry, ...] = ()
    schema: int = SCHEMA

    @property
    def num_actions(self) -> int:
        """How many actions the game has."""
        return len(self.action_names)

    @property
    def num_steps(self) -> int:
        """Actions taken in all episodes."""
        return sum(entry.length for entry in self.episodes)

    @property
    def sha256(self) -> str:
        """Identity of the data: the content of all episodes in order."""
        return sha256_of(*(entry.sha256 for entry in self.episodes))

    def rgb(self) -> NDArray[np.uint8]:
        """The palette, shape (256, 3)."""
        return np.frombuffer(bytes.fromhex("".join(self.palette)), np.uint8).reshape(256, 3)

    def colour_counts(self) -> NDArray[np.int64]:
        """Pixels of each palette index over all episodes, shape (256,)."""
        counts = np.zeros(256, np.int64)
        for entry in self.episodes:
            for index, pixels in entry.colours.items():
                counts[int(index)] += pixels
        return counts

    def with_entry(self, entry: EpisodeEntry) -> "Manifest":
        """The manifest with an episode added or replaced, in order of the file names."""
        others = [e for e in self.episodes if e.file != entry.file]
        return replace(self, episodes=tuple(sorted([*others, entry], key=lambda e: e.file)))


def check_same_game(one: Manifest, other: Manifest, folder: Path) -> None:
    """Refuse to join the episodes of ``other``, which lie in ``folder``, to those of ``one``.

    Raises:
        ValueError: their actions, palettes or frames differ.
    """
    for what in ("action_names", "palette", "frame_shape"):
        if getattr(one, what) != getattr(other, what):
            raise ValueError(f"the episodes in {folder} have another {what.replace('_', ' ')}: join those of one game")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, atomically, with a checksum of its content."""
    content = asdict(manifest)
    write_json(folder / "manifest.json", {**content, "sha256": _checksum(content)})


def _checksum(content: dict[str, Any]) -> str:
    return sha256_of(json.dumps(content, sort_keys=True))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of episodes.

    Raises:
        ValueError: there is none, it is damaged, or another version of the project wrote it.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise ValueError(f"no episodes in {folder}: record some with `python collect.py`")
    try:
        raw = json.loads(path.read_text())
        if raw["schema"] != SCHEMA:
            raise ValueError(f"it has schema {raw['schema']!r}, this version reads {SCHEMA}")
        if raw.pop("sha256") != _checksum(raw):
            raise ValueError("it is damaged (its checksum does not match)")
        raw["settings"] = current_targets(raw["settings"])
        raw["episodes"] = tuple(EpisodeEntry(**entry) for entry in raw["episodes"])
        for name in ("action_names", "palette", "frame_shape"):
            raw[name] = tuple(raw[name])
        return Manifest(**raw)
    except Exception as error:  # parsers raise a lot, down to RecursionError
        raise ValueError(f"cannot read {path}: {one_line(error)}; delete it and record again") from error


def write_episode(folder: Path, file: str, policy: str, episode: Episode) -> EpisodeEntry:
    """Write one episode atomically and return what the manifest should know of it."""
    buffer = io.BytesIO()  # HDF5 hides why writing a file failed
    with h5py.File(buffer, "w", libver="latest") as h5:
        for field in fields(episode):
            array = getattr(episode, field.name)
            chunks = (min(_CHUNK, len(array)), *array.shape[1:]) if array.ndim > 1 else (len(array),)
            h5.create_dataset(field.name, data=array, chunks=chunks, **hdf5plugin.Zstd(clevel=5))
    with atomic_path(folder / file) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    # Frame by frame: it makes eight bytes of each pixel.
    colours = np.sum([np.bincount(frame.ravel(), minlength=256) for frame in episode.frames], 0)
    return EpisodeEntry(
        file=file,
        policy=policy,
        length=len(episode.actions),
        total_reward=float(episode.rewards.sum()),
        colours={str(i): int(colours[i]) for i in np.flatnonzero(colours)},
        sha256=digest,
    )


def read_episode(folder: Path, entry: EpisodeEntry, num_actions: int) -> Episode:
    """Read one episode and check it against its manifest entry.

    Raises:
        ValueError: the file is missing, damaged, or holds an action that the game does not have.
    """
    path = folder / entry.file
    remedy = "run the `python collect.py` command that made this folder again to record it anew"
    if not path.is_file():
        raise ValueError(f"episode {path} is in the manifest but not on disk: {remedy}")
    raw = path.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    if digest != entry.sha256:
        raise ValueError(
            f"episode {path} is damaged ({len(raw)} bytes with SHA-256 {digest[:12]}…, "
            f"the manifest says {entry.sha256[:12]}…): {remedy}"
        )
    with h5py.File(io.BytesIO(raw), "r") as h5:
        episode = Episode(**{field.name: h5[field.name][:] for field in fields(Episode)})
    if len(episode.actions) != entry.length:
        raise ValueError(f"episode {path} has {len(episode.actions)} steps, the manifest says {entry.length}: {remedy}")
    if episode.actions.max() >= num_actions:
        raise ValueError(
            f"episode {path} holds action {episode.actions.max()}, but the game has only actions 0 to {num_actions - 1}"
        )
    return episode


def is_intact(folder: Path, entry: EpisodeEntry) -> bool:
    """Whether the file of ``entry`` is on disk and has the content that the manifest remembers."""
    path = folder / entry.file
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256


def read_episodes(folder: Path, manifest: Manifest) -> Iterator[Episode]:
    """Read all episodes of a manifest in order, one at a time."""
    for entry in manifest.episodes:
        yield read_episode(folder, entry, manifest.num_actions)
