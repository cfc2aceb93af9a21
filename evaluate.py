"""Measure a run again: ``python evaluate.py run=outputs/train/gru_baseline/<time>``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point
from pacdream.command.evaluate import evaluate


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
@entry_point
def main(config: DictConfig) -> None:
    """Write the report of a run anew."""
    evaluate(config)


if __name__ == "__main__":
    prepare_arguments(
        "run", "compare", "checkpoint", "episodes", "report.world_model.outcome", "report.world_model.spans"
    )
    main()
