"""A trained world model to dream with."""

from importlib.resources import as_file, files
from pathlib import Path

from pacdream.core.checkpoints import load_model, read_about
from pacdream.data.origin import Origin
from pacdream.world_model.base import WorldModel

_ASSETS = files("pacdream") / "assets"


def load_world_model(checkpoint: str) -> tuple[WorldModel, Origin]:
    """Load a frozen world model, and what it says that it was trained on.

    Args:
        checkpoint: the name of one that comes with the package, the folder of a run, or a file.

    Raises:
        ValueError: none of these, or not a world model.
    """
    with as_file(_ASSETS / checkpoint) as bundled:
        path = bundled if not Path(checkpoint).exists() and bundled.is_dir() else Path(checkpoint)
        if path.is_dir():
            found = [path / "checkpoints" / f"best.{ending}" for ending in ("ckpt", "safetensors")]
            path = next((each for each in found if each.is_file()), found[0])
        if not path.is_file():
            raise ValueError(
                f"checkpoint={checkpoint} is neither a file, nor the folder of a finished run, nor the name of a world "
                "model that comes with the package"
            )
        about = read_about(path)
        return load_model(path, WorldModel), Origin.read(about)  # type: ignore[type-abstract]
