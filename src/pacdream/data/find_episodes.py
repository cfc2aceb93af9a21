"""Where the episodes are, and what to do when there are none."""

import logging
from pathlib import Path

from pacdream.data.collect import Recording
from pacdream.data.episode_store import Manifest, read_manifest

log = logging.getLogger(__name__)


def find_or_record(folder: Path, recording: Recording) -> Manifest:
    """The manifest of ``folder``. If it is the one that ``recording`` makes, what is missing of it is recorded first.

    Raises:
        ValueError: another folder, and it holds no episodes.
    """
    if folder != Path(recording.output):
        return read_manifest(folder)
    if not (folder / "manifest.json").exists():
        log.info("no episodes in %s yet: recording the default data set first", folder)
        return recording.record()
    manifest = read_manifest(folder)
    # A recording that was interrupted goes on; one that has more episodes than asked for is fine.
    return manifest if len(manifest.episodes) >= recording.episodes else recording.record()
