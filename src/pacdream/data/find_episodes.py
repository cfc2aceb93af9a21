"""Where the episodes are, and what to do when there are none."""

import logging
from pathlib import Path

from pacdream.data.collect import index_of
from pacdream.data.episode_store import Manifest, read_manifest
from pacdream.data.recording import Recording

log = logging.getLogger(__name__)


def read_recorded(folder: Path) -> Manifest:
    """The manifest of a folder that holds episodes.

    Raises:
        ValueError: it holds none, or not yet.
    """
    manifest = read_manifest(folder)
    if not manifest.episodes:
        raise ValueError(f"no episodes in {folder} yet: run the `python collect.py` command that began it again")
    return manifest


def find_or_record(folder: Path, recording: Recording) -> Manifest:
    """The manifest of ``folder``. If it is the one that ``recording`` makes, what is missing of it is recorded first.

    Raises:
        ValueError: another folder, and it holds no episodes; or that one, recorded with other settings.
    """
    if folder.resolve() != recording.folder.resolve():
        return read_recorded(folder)
    manifest = recording.manifest()
    if not manifest.episodes:
        log.info("no episodes in %s yet: recording the default data set first", folder)
    # A recording that was interrupted goes on, also where later episodes are there; more than asked for are fine.
    there = {index_of(entry.file) for entry in manifest.episodes}
    return manifest if there.issuperset(range(recording.episodes)) else recording.record()
