"""Checkpoints that are written whole or not at all, whose damage is noticed, and whose reading executes nothing."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pacdream.core.files import atomic_path, one_line


class AtomicCheckpointIO(TorchCheckpointIO):
    """What the trainer reads and writes checkpoints with; see ``conf/trainer``.

    Lightning's own copies a finished file over the old one if the temporary folder is on another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint, atomically.

        Raises:
            ValueError: it cannot be written, or the disk is full.
        """
        buffer = io.BytesIO()  # torch hides why writing a file failed
        torch.save(checkpoint, buffer)
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """See ``read_checkpoint``; plain values and tensors whatever ``weights_only`` says."""
        return read_checkpoint(Path(path), map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a training checkpoint of this project, of which nothing is executed.

    Raises:
        ValueError: no such file, damaged, or of something else.
    """
    try:
        raw = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read the checkpoint {path}: {os.strerror(error.errno or 0)}") from error
    try:
        _check_sums(raw)
        content = torch.load(raw, map_location, weights_only=True)
    except pickle.UnpicklingError as error:  # whose own text advises to execute it
        raise ValueError(f"{path} is not a checkpoint of this project: it holds more than tensors") from error
    except Exception as error:  # whatever a damaged file makes a library raise
        raise ValueError(f"{path} is damaged, or not a checkpoint of this project: {one_line(error)}") from error
    if not isinstance(content, dict) or "recipe" not in content:
        raise ValueError(f"{path} is not a checkpoint of this project: it has no recipe")
    return content


def _check_sums(raw: io.BytesIO) -> None:
    """Compare every part of the zip file that a checkpoint is with its checksum, which torch does not."""
    with zipfile.ZipFile(raw) as file:
        broken = file.testzip()
    if broken is not None:
        raise ValueError(f"the checksum of {broken} does not match")
    raw.seek(0)
