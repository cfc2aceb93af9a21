"""Play the real game and write episodes: ``python collect.py policy=held_random episodes=40``."""

import logging
from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from pacdream.data.collect import collect
from pacdream.runtime.entry_point import entry_point
from pacdream.runtime.instantiate import build


log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path="conf", config_name="collect")
@entry_point
def main(config: DictConfig) -> None:
    """Record episodes as configured."""
    manifest = collect(
        make_env=partial(build, config.env),
        policy=build(config.policy),
        folder=Path(config.output),
        episodes=config.episodes,
        seed=config.seed,
        max_steps=config.max_steps,
        workers=config.workers,
        settings=OmegaConf.to_container(OmegaConf.masked_copy(config, ["env", "policy"])),
    )
    log.info("%d episodes, %d steps in %s", len(manifest.episodes), manifest.num_steps, config.output)


if __name__ == "__main__":
    main()
