"""Trained networks that judge dreams."""

import logging
from collections.abc import Collection
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


class UnfitJudgeError(ValueError):
    """A network that judges the codes of another tokenizer, or has learnt from the episodes it shall be asked about."""


def load_outcome(checkpoint: str, tokenizer: str) -> OutcomeNetwork:
    """Load a frozen outcome network: the name of one that comes with the package, the path of a file or of a run.

    Args:
        checkpoint: which.
        tokenizer: identity of the tokenizer whose codes it shall judge, see ``Origin.identities``.

    Raises:
        ValueError: none of these, not an outcome network, or one of another tokenizer.
    """
    return _load(OutcomeNetwork, "outcome", checkpoint, tokenizer)


def find_outcome(checkpoint: str, tokenizer: str, held_out: Collection[str] = ()) -> OutcomeNetwork | None:
    """The same, but none if it comes with the package and does not fit: it is of another tokenizer than the one here.

    Args:
        checkpoint: see ``load_outcome``.
        tokenizer: see ``load_outcome``.
        held_out: SHA-256 of the episodes it is measured on, none of which it may have been trained on.

    Raises:
        ValueError: see ``load_outcome``; or it was trained on some of those episodes.
    """
    return _find(OutcomeNetwork, "outcome", checkpoint, tokenizer, held_out)


def find_spans(checkpoint: str, tokenizer: str, held_out: Collection[str] = ()) -> SpanNetwork | None:
    """A frozen span network, see ``find_outcome``.

    Raises:
        ValueError: see ``find_outcome``.
    """
    return _find(SpanNetwork, "spans", checkpoint, tokenizer, held_out)


def bundled(what: str) -> list[str]:
    """Names of the networks of a kind, ``outcome`` or ``spans``, that come with the package."""
    return sorted(Path(f.name).stem for f in _ASSETS.iterdir() if f.name.endswith(f"_{what}.safetensors"))


def _find(kind: type[Net], what: str, checkpoint: str, tokenizer: str, held_out: Collection[str]) -> Net | None:
    try:
        return _load(kind, what, checkpoint, tokenizer, held_out)
    except UnfitJudgeError as error:
        if checkpoint not in bundled(what):
            raise
        log.info("it is done without: %s", error)
        return None


def _load(kind: type[Net], what: str, checkpoint: str, tokenizer: str, held_out: Collection[str] = ()) -> Net:
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
        origin = Origin.read(read_about(path))
    trained = origin.identities.get("tokenizer", tokenizer)
    if trained != tokenizer:
        raise UnfitJudgeError(
            f"{what}={checkpoint} judges the codes of another tokenizer ({trained[:12]}…) than the one here "
            f"({tokenizer[:12]}…): train one behind it with `python train.py experiment={what} "
            "tokenizer.checkpoint=<name or file>`"
        )
    if seen := origin.seen(held_out):
        raise UnfitJudgeError(
            f"{what}={checkpoint} was trained on {seen} of the {len(held_out)} episodes that are held out here: choose "
            f"one that has not seen them, or report.{what}=null (report.world_model.{what}=null for evaluate.py)"
        )
    return network
