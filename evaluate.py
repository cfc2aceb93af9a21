"""Measure a run again: ``python evaluate.py run=outputs/train/gru_baseline/<time>``."""

import hydra
from omegaconf import DictConfig

from pacdream.runtime.command_line import take_literally
from pacdream.runtime.entry_point import entry_point
from pacdream.runtime.evaluate import evaluate


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
@entry_point
def main(config: DictConfig) -> None:
    """Write the report of a run anew."""
    evaluate(config)


if __name__ == "__main__":
    take_literally("run", "compare", "checkpoint", "episodes")
    main()
