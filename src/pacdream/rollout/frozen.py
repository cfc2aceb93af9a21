"""A trained world model to dream with."""

from importlib.resources import as_file, files
from pathlib import Path

from pacdream.core.checkpoints import load_model
from pacdream.world_model.base import WorldModel

_ASSETS = files("pacdream") / "assets"


def load_world_model(checkpoint: str) -> WorldModel:
    """Load a frozen world model: the name of one that comes with the package, or the path of a checkpoint.

    Raises:
        ValueError: neither a name nor a file, or not a world model.
    """
    bundled = _ASSETS / checkpoint / "checkpoints" / "best.safetensors"
    if not Path(checkpoint).suffix and bundled.is_file():
        with as_file(bundled) as path:
            return load_model(path, WorldModel)  # type: ignore[type-abstract]
    if not Path(checkpoint).is_file():
        raise ValueError(
            f"world_model.checkpoint={checkpoint} is neither a file nor the name of a world model that comes with the "
            "package (a run's is <run>/checkpoints/best.ckpt)"
        )
    return load_model(Path(checkpoint), WorldModel)  # type: ignore[type-abstract]
