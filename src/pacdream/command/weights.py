"""Training that begins with the weights of another stage, and with nothing else of it."""

import logging
from pathlib import Path
from typing import Any

from torch import nn

from pacdream.command.run import open_run
from pacdream.core.checkpoints import load_model, read_about, recipe_of, weights_sha256
from pacdream.core.files import one_line
from pacdream.core.settings import differences
from pacdream.data.origin import Origin, check_fresh
from pacdream.outcome.network import OutcomeNetwork
from pacdream.world_model.base import WorldModel

log = logging.getLogger(__name__)


def begin_with(weights: str, model: nn.Module, data: Any) -> dict[str, str]:
    """Give ``model`` the weights of a run, or of a checkpoint, that has not seen what is held out.

    Args:
        weights: the run's folder, a folder of runs of which the newest finished one is taken, or a checkpoint.
        model: of the same settings.
        data: what it will be trained on.

    Returns:
        Their identity, for the record.

    Raises:
        ValueError: none of these, of another network, behind another tokenizer, or trained on held-out data.
    """
    try:
        path = Path(weights) if Path(weights).is_file() else open_run(weights).checkpoint
        found = load_model(path, type(model))
    except ValueError as error:
        raise ValueError(f"weights={weights}: {error}") from error
    if (theirs := _points_of(found)) != _points_of(model):
        raise ValueError(f"weights={weights} tells other points than occur here: choose theirs, data.points=[{theirs}]")
    try:
        begin = model.begin_with_weights if isinstance(model, WorldModel) else model.load_state_dict
        begin(found.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"weights={weights} holds another network than the configured one: {one_line(error)}"
        ) from error
    about = read_about(path)
    was = Origin.read(about)
    check_fresh(path, was, data.origin)
    data.origin = data.origin.after(was)
    for change in differences(recipe_of(found), recipe_of(model)):
        log.warning("the weights were trained with another setting: %s", change)
    log.info("beginning with the weights of %s", path)
    return {"weights": weights_sha256(found)}


def _points_of(network: nn.Module) -> str:
    """The numbers of points that an outcome network tells."""
    return ",".join(f"{value:g}" for value in network.points.tolist()) if isinstance(network, OutcomeNetwork) else ""
