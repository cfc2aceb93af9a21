"""The data that a run is measured on: nothing is held out that its network was trained on."""

import logging
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from pacdream.command.provenance import check_same_data
from pacdream.core.instantiate import build
from pacdream.data.episode_store import read_manifest
from pacdream.data.origin import Origin

log = logging.getLogger(__name__)


_ONLY_OWN = {"more_episodes": [], "mirror": False}
"""What only training needs: none of it is held out."""


def open_data(
    folder: Path,
    bare: bool,
    config: DictConfig,
    origin: Origin,
    checkpoint: Path,
    episodes: str | None,
    device: torch.device,
) -> Any:
    """The data module of a run, set up; of ``episodes`` recorded elsewhere all are held out.

    Args:
        folder: of the run.
        bare: there is only a checkpoint: ``config`` is the command's, and its episodes count as recorded elsewhere.
        config: settings of the run.
        origin: what the checkpoint was trained on.
        checkpoint: weights that will be measured.
        episodes: a folder, none for the run's own.
        device: where frames are encoded and codes are kept.

    Raises:
        ValueError: there are other episodes now, or another tokenizer, or some of those held out were trained on.
    """
    there = Path(episodes or config.data.episodes)
    elsewhere = there.resolve() != Path(config.data.episodes).resolve()
    own = {name: value for name, value in _ONLY_OWN.items() if name in config.data}
    config = OmegaConf.merge(config, {"data": own})  # type: ignore[assignment]
    if elsewhere or bare:
        config = OmegaConf.merge(config, {"data": _elsewhere(there, origin, asked_for=elsewhere)})  # type: ignore[assignment]
    data = build(config.data)
    data.device = device
    data.facts()  # records what is missing, if it is to be recorded
    identities = data.identities()
    if not bare:
        check_same_data(folder, {k: v for k, v in identities.items() if not (elsewhere and k == "episodes")})
    _check_tokenizer(checkpoint, origin, identities)
    _check_not_seen(checkpoint, origin, data)
    data.prepare_data()
    data.setup("validate")
    return data


def _elsewhere(episodes: Path, origin: Origin, asked_for: bool) -> dict[str, Any]:
    """Settings for another folder of episodes: all are held out, unless they are the ones trained on, moved."""
    moved, known = read_manifest(episodes).sha256, origin.identities.get("episodes")
    unknown = known is None and not asked_for  # a bare checkpoint that does not say: split as it may have been
    return {"episodes": str(episodes)} | ({} if moved == known or unknown else {"val_fraction": 1.0})


def _check_tokenizer(checkpoint: Path, origin: Origin, identities: dict[str, str]) -> None:
    """Refuse a checkpoint that says that it was trained behind another tokenizer."""
    here = identities.get("tokenizer", "")
    trained = origin.identities.get("tokenizer", here)
    if trained != here:
        raise ValueError(
            f"{checkpoint} was trained behind another tokenizer ({trained[:12]}…) than the one here "
            f"({here[:12]}…): its codes mean something else; choose it with tokenizer.checkpoint=<file>"
        )


def _check_not_seen(checkpoint: Path, origin: Origin, data: Any) -> None:
    """Refuse to measure on episodes that the checkpoint was trained on."""
    if seen := origin.seen(data.origin.val):
        raise ValueError(f"{seen} of the episodes in {data.folder} are among those that {checkpoint} was trained on")
    known = origin.identities.get("episodes")
    if origin.train is None and known is None:
        log.warning("%s does not say which episodes it was trained on: some may be among those held out", checkpoint)
    elif origin.train is None and known is not None and known != data.origin.identities["episodes"]:
        raise ValueError(
            f"{checkpoint} was trained on other episodes ({known[:12]}…) than are in {data.folder} and does not say "
            "which: some may be among them; measure it on its own"
        )
