"""Train a tokenizer or a world model: ``python train.py experiment=gru_baseline``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import go_on_with_run, take_literally
from pacdream.command.entry_point import entry_point
from pacdream.sweep.callback import summary_at_end


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@entry_point
def main(config: DictConfig) -> float | None:
    """Train as configured and return the value that a sweep minimises."""
    from pacdream.command.train import train  # here: recording processes import this file and need no torch

    return train(config)


if __name__ == "__main__":
    take_literally("resume", "sweep.resume")
    go_on_with_run()
    with summary_at_end():
        main()
