"""A W&B workspace with a section for every question: ``python dashboard.py entity=<your W&B user or team>``."""

import logging

import hydra
from omegaconf import DictConfig, OmegaConf

from pacdream.command.entry_point import entry_point
from pacdream.command.logging import check_account
from pacdream.report.workspace import save, workspace

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path="conf", config_name="dashboard")
@entry_point
def main(config: DictConfig) -> None:
    """Build the workspace and save it under the given entity and project."""
    if OmegaConf.is_missing(config, "entity"):
        raise ValueError("say whose workspace it is: entity=<your W&B user or team>")
    built = workspace(str(config.entity), str(config.project))
    if config.save:
        check_account()
        log.info("workspace: %s", save(built))
        return
    for section in built.sections:
        log.info("%s: %d panels", section.name, len(section.panels))


if __name__ == "__main__":
    main()
