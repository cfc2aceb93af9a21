"""Trained networks that judge dreams."""

import logging
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

from torch import nn

from pacdream.core.checkpoints import load_model, read_about
from pacdream.data.origin import Origin
from pacdream.outcome.network import OutcomeNetwork
from pacdream.outcome.span_network import SpanNetwork

log = logging.getLogger(__name__)

Net = TypeVar("Net", bound=nn.Module)
_ASSETS = files("pacdream") / "assets"


class ForeignOutcomeError(ValueError):
    """A network that judges the codes of another tokenizer."""


def load_outcome(checkpoint: str, tokenizer: str) -> OutcomeNetwork:
    """Load a frozen outcome network: the name of one that comes with the package, the path of a file or of a run.

    Args:
        checkpoint: which.
        tokenizer: identity of the tokenizer whose codes it shall judge, see ``Origin.identities``.

    Raises:
        ValueError: none of these, not an outcome network, or one of another tokenizer.
    """
    return _load(OutcomeNetwork, "outcome", checkpoint, tokenizer)


def find_outcome(checkpoint: str, tokenizer: str) -> OutcomeNetwork | None:
    """The same, but none if it comes with the package and is of another tokenizer than the one here.

    Raises:
        ValueError: see ``load_outcome``.
    """
    return _find(OutcomeNetwork, "outcome", checkpoint, tokenizer)


def find_spans(checkpoint: str, tokenizer: str) -> SpanNetwork | None:
    """A frozen span network, but none if it comes with the package and is of another tokenizer than the one here.

    Raises:
        ValueError: see ``load_outcome``.
    """
    return _find(SpanNetwork, "spans", checkpoint, tokenizer)


def bundled(what: str) -> list[str]:
    """Names of the networks of a kind, ``outcome`` or ``spans``, that come with the package."""
    return sorted(Path(f.name).stem for f in _ASSETS.iterdir() if f.name.endswith(f"_{what}.safetensors"))


def _find(kind: type[Net], what: str, checkpoint: str, tokenizer: str) -> Net | None:
    try:
        return _load(kind, what, checkpoint, tokenizer)
    except ForeignOutcomeError as error:
        if checkpoint not in bundled(what):
            raise
        log.info("it is done without: %s", error)
        return None


def _load(kind: type[Net], what: str, checkpoint: str, tokenizer: str) -> Net:
    with as_file(_ASSETS / f"{checkpoint}.safetensors") as asset:
        path = asset if checkpoint in bundled(what) else Path(checkpoint)
        if path.is_dir():
            path = path / "checkpoints" / "best.ckpt"
        if not path.is_file():
            raise ValueError(
                f"{what}={checkpoint} is neither a checkpoint nor the name of a network that comes with the package "
                f"({', '.join(bundled(what)) or 'there is none'}): train one with `python train.py experiment={what}` "
                "and give its folder"
            )
        network = load_model(path, kind)
        about = read_about(path)
    trained = Origin.read(about).identities.get("tokenizer", tokenizer)
    if trained != tokenizer:
        raise ForeignOutcomeError(
            f"{what}={checkpoint} judges the codes of another tokenizer ({trained[:12]}…) than the one here "
            f"({tokenizer[:12]}…): train one behind it with `python train.py experiment={what} "
            "tokenizer.checkpoint=<name or file>`"
        )
    return network
