"""Play the dream in a browser: ``python play.py run=outputs/train/attention/<time>``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point


@hydra.main(version_base="1.3", config_path="conf", config_name="play")
@entry_point
def main(config: DictConfig) -> None:
    """Serve the page until Ctrl-C."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise ValueError("playing needs a server: pip install -e '.[play]' -c constraints.txt") from error
    from pacdream.command.play import play

    play(config)


if __name__ == "__main__":
    prepare_arguments("run", "outcome")
    main()
