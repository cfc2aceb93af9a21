"""A trained outcome network."""

import logging
from importlib.resources import as_file, files
from pathlib import Path

from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, read_about
from pacdream.data.origin import Origin
from pacdream.outcome.network import OutcomeNetwork

log = logging.getLogger(__name__)

_ASSETS = files("pacdream") / "assets"
_ENDING = "_outcome.safetensors"


class ForeignOutcomeError(ValueError):
    """An outcome network of another tokenizer."""


def load_outcome(checkpoint: str, tokenizer: str) -> OutcomeNetwork:
    """Load a frozen outcome network: the name of one that comes with the package, the path of a file or of a run.

    Args:
        checkpoint: which.
        tokenizer: identity of the tokenizer whose codes it shall judge, see ``Origin.identities``.

    Raises:
        ValueError: none of these, not an outcome network, or one of another tokenizer.
    """
    with as_file(_ASSETS / f"{checkpoint}.safetensors") as bundled:
        path = bundled if checkpoint in bundled_outcomes() else Path(checkpoint)
        if path.is_dir():
            path = path / "checkpoints" / "best.ckpt"
        if not path.is_file():
            raise ValueError(
                f"outcome={checkpoint} is neither a checkpoint nor the name of an outcome network that comes with the "
                f"package ({', '.join(bundled_outcomes()) or 'there is none'}): train one with "
                "`python train.py experiment=outcome` and give its folder"
            )
        network = load_model(path, OutcomeNetwork)
        about = read_about(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    trained = Origin.read(about).identities.get("tokenizer", tokenizer)
    if trained != tokenizer:
        raise ForeignOutcomeError(
            f"outcome={checkpoint} judges the codes of another tokenizer ({trained[:12]}…) than the one here "
            f"({tokenizer[:12]}…): train one behind it with `python train.py experiment=outcome "
            "tokenizer.checkpoint=<name or file>`"
        )
    return network


def find_outcome(checkpoint: str, tokenizer: str) -> OutcomeNetwork | None:
    """The same, but none if it comes with the package and is of another tokenizer than the one here.

    Raises:
        ValueError: see ``load_outcome``.
    """
    try:
        return load_outcome(checkpoint, tokenizer)
    except ForeignOutcomeError as error:
        if checkpoint not in bundled_outcomes():
            raise
        log.info("what dreams earn is not measured: %s", error)
        return None


def bundled_outcomes() -> list[str]:
    """Names of the outcome networks that come with the package."""
    return sorted(Path(f.name).stem for f in _ASSETS.iterdir() if f.name.endswith(_ENDING))
