"""Play the real game by planning in the dream: ``python plan.py run=outputs/train/attention/<time>``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point


@hydra.main(version_base="1.3", config_path="conf", config_name="plan")
@entry_point
def main(config: DictConfig) -> None:
    """Write scores, what the oracles say, and a video of real game and plan."""
    from pacdream.command.plan import plan

    plan(config)


if __name__ == "__main__":
    prepare_arguments("run", "planner.run", "planner.outcome", "planner.spans")
    main()
