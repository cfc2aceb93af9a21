"""Training that begins with the weights of another stage, and with nothing else of it."""

import logging
from pathlib import Path
from typing import Any

from torch import nn

from pacdream.command.run import open_run
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model
from pacdream.core.files import one_line
from pacdream.data.origin import Origin, check_same_origin

log = logging.getLogger(__name__)


def begin_with(weights: str, model: nn.Module, data: Any) -> None:
    """Give ``model`` the weights of a run, or of a checkpoint, that was trained on the same data.

    Args:
        weights: the run's folder, a folder of runs of which the newest finished one is taken, or a checkpoint.
        model: of the same settings.
        data: what it will be trained on.

    Raises:
        ValueError: none of these, of another network, behind another tokenizer, or trained on held-out data.
    """
    path = Path(weights) if Path(weights).is_file() else open_run(weights).checkpoint
    found = load_model(path, type(model)).state_dict()
    try:
        model.load_state_dict(found)
    except RuntimeError as error:
        raise ValueError(
            f"weights={weights} holds another network than the configured one: {one_line(error)}"
        ) from error
    if path.suffix != ".safetensors":
        check_same_origin(path, Origin.read(read_checkpoint(path)), data.origin)
    log.info("beginning with the weights of %s", path)
