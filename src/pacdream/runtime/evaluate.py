"""Measuring a run again from its folder."""

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pacdream.runtime.instantiate import build
from pacdream.runtime.provenance import check_same_data

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Rebuild data and network of ``config.run`` and write its report anew.

    The settings in the run's folder are instantiated: measure runs of people you trust.

    Raises:
        ValueError: not the folder of a run, or one without checkpoint or report, or its data are not there any more.
    """
    folder = Path(config.run)
    settings = folder / ".hydra" / "config.yaml"
    checkpoint = Path(config.checkpoint or folder / "checkpoints" / "best.ckpt")
    for needed in (settings, checkpoint):
        if not needed.is_file():
            raise ValueError(f"run={folder} is not the folder of a finished run: there is no {needed}")
    trained = OmegaConf.load(settings)
    if not trained.report:
        raise ValueError(f"run={folder} was trained without a report: there is nothing to measure")
    data = build(trained.data)
    check_same_data(folder, data.identities())
    data.prepare_data()
    data.setup("validate")
    build(trained.report)(folder, data, checkpoint, [], 0)
    log.info("report: %s", folder / "report")
