"""The tokenizer that the world models live behind."""

from importlib.resources import as_file, files
from pathlib import Path

from pacdream.core.checkpoints import load_model
from pacdream.tokenizer.base import Tokenizer

DEFAULT = "ms_pacman_vqvae"
_ASSETS = files("pacdream") / "assets"


def load_tokenizer(checkpoint: str | None) -> Tokenizer:
    """Load a frozen tokenizer: the name of one that comes with the package, or the path of a file.

    Nothing stands for the default one, as in the settings of runs that were begun before there were names.

    Raises:
        ValueError: neither a name nor a file, or not a tokenizer.
    """
    checkpoint = DEFAULT if checkpoint is None else checkpoint
    names = bundled_tokenizers()
    if checkpoint in names:
        with as_file(_ASSETS / f"{checkpoint}.safetensors") as path:
            return load_model(path, Tokenizer)  # type: ignore[type-abstract]
    if not Path(checkpoint).is_file():
        raise ValueError(
            f"tokenizer.checkpoint={checkpoint} is neither a file nor the name of a tokenizer that comes with the "
            f"package: {', '.join(names)}"
        )
    return load_model(Path(checkpoint), Tokenizer)  # type: ignore[type-abstract]


def bundled_tokenizers() -> list[str]:
    """Names of the tokenizers that come with the package."""
    return sorted(Path(file.name).stem for file in _ASSETS.iterdir() if file.name.endswith("_vqvae.safetensors"))
