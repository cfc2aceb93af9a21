"""Train a tokenizer or a world model: ``python train.py experiment=gru_baseline``."""

import gc

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point
from pacdream.command.resume import expand_resume
from pacdream.sweep.callback import summary_at_end


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@entry_point
def main(config: DictConfig) -> float | None:
    """Train as configured and return the value that a sweep minimises."""
    from pacdream.command.train import train  # here: recording processes import this file and need no torch

    if not gc.isenabled():  # the first job of a sweep; what its later ones leave behind is garbage
        gc.freeze()
        gc.enable()
    return train(config)


if __name__ == "__main__":
    gc.disable()  # what is imported stays: to look for garbage in it, again and again, takes a second
    prepare_arguments(
        "resume", "sweep.resume", "weights", "data.episodes", "data.more_episodes", "data.dreams.checkpoint",
        "tokenizer.checkpoint", "recording.output", "report.outcome", "report.spans",
    )  # fmt: skip
    expand_resume()
    with summary_at_end():
        main()
