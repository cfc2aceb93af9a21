"""The tokenizer that the world models live behind."""

from importlib.resources import as_file, files
from pathlib import Path

from pacdream.core.checkpoints import load_model
from pacdream.tokenizer.base import Tokenizer


def load_tokenizer(checkpoint: str | None) -> Tokenizer:
    """Load a frozen tokenizer; without a path, the one that comes with the package.

    Raises:
        ValueError: no such file, or not a tokenizer.
    """
    if checkpoint is not None:
        return load_model(Path(checkpoint), Tokenizer)  # type: ignore[type-abstract]
    with as_file(files("pacdream") / "assets" / "ms_pacman_vqvae.safetensors") as path:
        return load_model(path, Tokenizer)  # type: ignore[type-abstract]
