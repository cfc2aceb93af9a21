"""Dream beside the real game: ``python rollout.py run=outputs/train/gru_baseline/<time>``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point


@hydra.main(version_base="1.3", config_path="conf", config_name="rollout")
@entry_point
def main(config: DictConfig) -> None:
    """Write videos of dreams and of what really happens with the same actions."""
    from pacdream.command.rollout import rollout

    rollout(config)


if __name__ == "__main__":
    prepare_arguments("run", "checkpoint", "episodes")
    main()
