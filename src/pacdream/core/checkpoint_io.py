"""Checkpoint files that are written whole or not at all, that notice damage, and whose reading executes nothing."""

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pacdream.core.files import atomic_path

_SEAL = 64
"""Bytes of the SHA-256, in hexadecimal, that ends a checkpoint as the comment of the zip file that it is."""


class SealedCheckpointIO(TorchCheckpointIO):
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
            temporary.write_bytes(_sealed(buffer.getvalue()))

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
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the checkpoint {path}: {os.strerror(error.errno or 0)}") from error
    if hashlib.sha256(raw[:-_SEAL]).hexdigest().encode() != raw[-_SEAL:]:
        raise ValueError(f"{path} is damaged, or not a checkpoint of this project: its checksum does not match")
    try:
        content = torch.load(io.BytesIO(raw), map_location, weights_only=True)
    except pickle.UnpicklingError as error:  # whose own text advises to execute it
        raise ValueError(f"{path} is not a checkpoint of this project: it holds more than tensors") from error
    if not isinstance(content, dict) or "recipe" not in content:
        raise ValueError(f"{path} is not a checkpoint of this project: it has no recipe")
    return content


def _sealed(raw: bytes) -> bytes:
    """The zip file ``raw`` with its own SHA-256 as its comment; any tool for zip files still reads it."""
    raw = raw[:-2] + _SEAL.to_bytes(2, "little")  # the length of the comment, none until now, are the last two bytes
    return raw + hashlib.sha256(raw).hexdigest().encode()
