"""What a command line means before Hydra reads it."""

import sys
from pathlib import Path

from omegaconf import ListConfig, OmegaConf

from pacdream.core.files import reading
from pacdream.core.resolvers import writable


def take_literally(*keys: str) -> None:
    """Quote the values of these arguments, which are paths.

    Hydra reads ``,`` and ``=`` in a value as its own, and the folders of a sweep are named by overrides full of both.
    """
    for i, argument in enumerate(sys.argv):
        key, equals, value = argument.partition("=")
        if equals and key in keys and value and value[0] not in "[\"'" and value != "null":
            sys.argv[i] = f"{key}={_quoted(value)}"


def go_on_with_run() -> None:
    """Let ``resume=<folder of a run>`` go on in that folder, with the run's own settings; ends with one line if not."""
    try:
        sys.argv = with_own_overrides(sys.argv)
    except ValueError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def with_own_overrides(argv: list[str]) -> list[str]:
    """``resume=<folder of a run>`` as Hydra understands it: the run's own overrides, then those given, in its folder.

    Raises:
        ValueError: it is not the folder of a run.
    """
    value = next((a.removeprefix("resume=").strip("'\"") for a in argv if a.startswith("resume=")), "")
    folder, in_folder = Path(value), f"hydra.run.dir={_quoted(value)}"
    if not value or value == "null" or not (folder.is_dir() or not folder.suffix) or in_folder in argv:
        return argv  # a checkpoint, to go on from in a new folder; or Lightning has started this process from another
    own = folder / ".hydra" / "overrides.yaml"
    if {"-m", "--multirun"} & {*argv}:
        raise ValueError("resume= goes on with one run; a sweep goes on with sweep.resume=<its folder>")
    if (folder / "multirun.yaml").is_file():
        raise ValueError(f"resume={value} is a sweep: go on with the command that began it and sweep.resume={value}")
    if not own.is_file():
        raise ValueError(f"resume={value} is neither the folder of a run (there is no {own}) nor a checkpoint")
    given = [argument for argument in argv[1:] if not argument.startswith("resume=")]
    replaced = {_key(argument) for argument in given} | {"resume", "sweep.resume", "launcher"}
    with reading(own, "restore it from a copy"):
        began = OmegaConf.load(own)
        if not isinstance(began, ListConfig):
            raise ValueError("it is no list")
    stored = [str(override) for override in began if _key(str(override)) not in replaced]
    writable(value)
    single = ["hydra.mode=RUN"] if any(_key(override) == "sweep" for override in stored) else []
    return [argv[0], *stored, *single, *given, f"resume={_quoted(value)}", in_folder]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _quoted(value: str) -> str:
    escaped = value.replace("'", "\\'")
    return f"'{escaped}'"
