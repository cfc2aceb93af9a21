"""Play the real game and write episodes: ``python collect.py policy=held_random episodes=40``."""

import logging

import hydra
from omegaconf import DictConfig, OmegaConf

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point
from pacdream.core.instantiate import build

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path="conf", config_name="collect")
@entry_point
def main(config: DictConfig) -> None:
    """Record episodes as configured."""
    OmegaConf.resolve(config)
    if "run" in config.policy:
        from pacdream.command.run import open_run  # only a planner has to wait for torch

        open_run(config.policy.run).check_env(config.env)
    recording = build(OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("paths", "planner")]))
    manifest = recording.record()
    log.info("%d episodes, %d steps in %s", len(manifest.episodes), manifest.num_steps, recording.output)


if __name__ == "__main__":
    prepare_arguments("output", "planner.run", "planner.outcome", "planner.spans")
    main()
