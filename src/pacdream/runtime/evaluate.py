"""Measuring a run again from its folder."""

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pacdream.runtime.instantiate import build

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Rebuild data and network of ``config.run`` and write its report anew.

    Raises:
        ValueError: not the folder of a run, or one without checkpoint or report.
    """
    folder = Path(config.run)
    settings = folder / ".hydra" / "config.yaml"
    checkpoint = Path(config.checkpoint or folder / "checkpoints" / "best.ckpt")
    for needed in (settings, checkpoint):
        if not needed.is_file():
            raise ValueError(f"run={folder} is not the folder of a finished run: there is no {needed}")
    trained = OmegaConf.merge(OmegaConf.load(settings), {"paths": config.paths})
    if not trained.report:
        raise ValueError(f"run={folder} was trained without a report: there is nothing to measure")
    data = build(trained.data)
    data.facts()
    data.prepare_data()
    data.setup("validate")
    build(trained.report)(folder, data, checkpoint, [])
    log.info("report: %s", folder / "report")
