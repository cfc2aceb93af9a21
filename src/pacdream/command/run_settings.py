"""The settings of a run, read from its folder wherever that lies now."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pacdream.core.files import reading
from pacdream.core.settings import read_settings

_RESTORE = "restore it from a copy"


def is_run(folder: Path) -> bool:
    """Whether a command has left its settings here."""
    return (folder / ".hydra" / "config.yaml").is_file()


def run_settings(folder: Path) -> DictConfig:
    """A run's settings, its relative paths found again whatever folder this command runs in.

    Raises:
        ValueError: a file is damaged.
    """
    path = folder / ".hydra" / "config.yaml"
    config = read_settings(path, _RESTORE)
    known = (folder / ".hydra" / "hydra.yaml").is_file()
    cwd = _begun_in(folder) if known else Path.cwd()
    # <outputs>/train/<name>/<time>, in a sweep one deeper: where the run lies now counts more than where it was made.
    around = (parent for parent in folder.resolve().parents[:5] if (parent / "episodes").is_dir())
    with reading(path, _RESTORE):
        config.paths.outputs = str(next(around, cwd / config.paths.outputs))
        for key in ("data.episodes", "tokenizer.checkpoint", "data.dreams.checkpoint"):
            value = OmegaConf.select(config, key)
            if not value or Path(value).exists():
                continue
            if key == "data.episodes" or Path(value).suffix or (cwd / value).exists():  # else the name of a bundled one
                OmegaConf.update(config, key, str(cwd / value))
    return config


def _begun_in(folder: Path) -> Path:
    """The folder that a run's command was typed in, as Hydra has noted."""
    path = folder / ".hydra" / "hydra.yaml"
    with reading(path, _RESTORE):
        cwd = OmegaConf.load(path).hydra.runtime.cwd
        if not isinstance(cwd, str):
            raise ValueError("it holds something else")
        return Path(cwd)
