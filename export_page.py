"""Write the playable dream as a folder for any server of files: ``python export_page.py output=site``."""

import hydra
from omegaconf import DictConfig

from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point


@hydra.main(version_base="1.3", config_path="conf", config_name="export_page")
@entry_point
def main(config: DictConfig) -> None:
    """Export networks and page."""
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError("exporting needs onnxscript: pip install -e '.[play]' -c constraints.txt") from error
    from pacdream.command.export_page import export_page

    export_page(config)


if __name__ == "__main__":
    prepare_arguments("run", "outcome", "output", "runtime")
    main()
