"""Let an agent learn in the dream and play the game: ``python train_agent.py run=outputs/train/attention/<time>``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point


@hydra.main(version_base="1.3", config_path="conf", config_name="train_agent")
@entry_point
def main(config: DictConfig) -> None:
    """Train with PPO, and write scores in the dream and in the real game."""
    try:
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        raise ValueError("agents need Stable-Baselines3: pip install -e '.[rl]' -c constraints.txt") from error
    from pacdream.command.train_agent import train_agent

    train_agent(config)


if __name__ == "__main__":
    prepare_arguments("run", "resume", "dream.outcome", "dream.episodes")
    main()
