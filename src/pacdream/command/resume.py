"""What happens on ``resume=``.

``resume=<folder of a run>`` starts the run's own command again, in its folder: ``resumed_arguments`` puts the overrides
it was begun with before those given now. Its settings are compared (``settings_record``), training goes on from
``checkpoints/last.ckpt`` (``first_checkpoint``), curves from what was logged then (``callback/``).
``resume=<checkpoint>`` begins a new run from there. Either must find the data that the checkpoint was trained on.
"""

import sys
from pathlib import Path

from omegaconf import ListConfig, OmegaConf

from pacdream.command.arguments import begins_sweep, quoted, unquoted
from pacdream.core.files import reading
from pacdream.core.resolvers import writable

_REPLACED = {"resume", "sweep.resume", "launcher"}
"""Overrides of an earlier start that say nothing of this one."""


def expand_resume() -> None:
    """Replace the command line by ``resumed_arguments``; end with one line if that cannot be."""
    try:
        sys.argv = resumed_arguments(sys.argv)
    except ValueError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def resumed_arguments(argv: list[str]) -> list[str]:
    """``resume=<folder of a run>`` as Hydra understands it: the run's own overrides, then those given, in its folder.

    Raises:
        ValueError: it is not the folder of a run.
    """
    value = next((unquoted(a.removeprefix("resume=")) for a in argv if a.startswith("resume=")), "null")
    if not value:
        raise ValueError("resume= is empty: give the folder of a run, or a checkpoint")
    folder, in_folder = Path(value), f"hydra.run.dir={quoted(value)}"
    if value == "null" or not (folder.is_dir() or not folder.suffix) or in_folder in argv:
        return argv  # a checkpoint, to begin a new run from; or Lightning has started this process from another
    if begins_sweep(argv):
        raise ValueError("resume= goes on with one run; a sweep goes on with sweep.resume=<its folder>")
    stored = _stored_overrides(folder)
    given = [argument for argument in argv[1:] if not argument.startswith("resume=")]
    start = f"resume={quoted(value)}"
    if not (folder / "checkpoints" / "last.ckpt").is_file():  # it has yet to begin, perhaps from another's checkpoint
        start = next((each for each in stored if _key(each) == "resume" and each.strip("'").endswith(".ckpt")), start)
    replaced = {_key(argument) for argument in given} | _REPLACED
    stored = [override for override in stored if _key(override) not in replaced]
    writable(value)
    single = ["hydra.mode=RUN"] if any(_key(override) == "sweep" for override in stored) else []
    return [argv[0], *stored, *single, *given, start, in_folder]


def _stored_overrides(folder: Path) -> list[str]:
    """What the run in ``folder`` was begun with, as typed: Hydra's own list may be that of a start that was refused."""
    path = folder / "overrides.yaml"
    if not path.is_file():
        path = folder / ".hydra" / "overrides.yaml"
    if (folder / "multirun.yaml").is_file():
        raise ValueError(f"resume={folder} is a sweep: go on with the command that began it and sweep.resume={folder}")
    if not path.is_file():
        raise ValueError(f"resume={folder} is neither the folder of a run (there is no {path}) nor a checkpoint")
    with reading(path, "restore it from a copy"):
        began = OmegaConf.load(path)
        if not isinstance(began, ListConfig):
            raise ValueError("it is no list")
    return [str(override) for override in began]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def first_checkpoint(folder: Path, resume: str | None) -> Path | None:
    """Where training in ``folder`` begins: its own last checkpoint, else the one that ``resume`` names, else none."""
    own = folder / "checkpoints" / "last.ckpt"
    if own.is_file():
        return own
    return Path(resume) if resume is not None and not Path(resume).is_dir() else None
