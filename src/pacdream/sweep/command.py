"""Command lines: what a job was told, and what to type next."""

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

WAY_OUT = "delete the job's folder and resume the sweep"
_OF_THE_SWEEP = ("launcher", "sweep.resume")
"""Overrides that say how jobs are started, and nothing about what one trains."""

_OUTPUTS = "paths.outputs"
"""Where everything lies: jobs that differ in it alone are the same."""
_WHERE_AND_HOW = ("sweep.resume=", "hydra.sweep.dir=", "hydra.mode=")
"""What a command that resumes says in its own way."""


def settings_of(overrides: Sequence[str], source: Path) -> dict[str, str]:
    """Values by key, as typed, without what only tells how the sweep runs.

    Raises:
        ValueError: Hydra does not understand an override; ``source`` is where they come from.
    """
    overrides = _about_the_job(overrides)
    try:
        keys = map(_key, OverridesParser.create().parse_overrides(overrides))
    except HydraException as error:
        raise ValueError(f"cannot read {source}: {' '.join(str(error).split())}; {WAY_OUT}") from error
    values = (override.partition("=")[2] for override in overrides)
    return {key: value for key, value in zip(keys, values, strict=True) if key not in ("sweep", _OUTPUTS)}


def best_command(overrides: Iterable[str]) -> str:
    """The command that trains one job again, alone."""
    kept = _about_the_job(overrides)
    # A recipe makes every command that names it a sweep, but it may also set more than the overrides show.
    single = ["hydra.mode=RUN"] if any(override.startswith("sweep=") for override in kept) else []
    return shlex.join(["python", "train.py", *kept, *single])


def resume_command(hydra: DictConfig, sweep: Path) -> str:
    """The sweep's own command, told to go on in its folder; ``hydra`` are the settings in its ``multirun.yaml``."""
    typed = [*_typed(hydra), *map(str, OmegaConf.select(hydra, "overrides.hydra") or [])]
    kept = [override for override in typed if not override.startswith(_WHERE_AND_HOW)]
    return shlex.join(["python", "train.py", "-m", *kept, f"sweep.resume={_value(sweep)}"])


def planned(hydra: DictConfig) -> list[frozenset[str]]:
    """The overrides of every job that the sweep's command asks for; none if only its sweeper could tell."""
    if not str(OmegaConf.select(hydra, "sweeper._target_")).endswith(".BasicSweeper"):
        return []
    recipe = OmegaConf.select(hydra, "sweeper.params") or {}
    try:
        parsed = OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in recipe.items()), *_typed(hydra)])
        (jobs,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    except HydraException:  # glob(…) wants the configuration's folder
        return []
    return [identity(job) for job in jobs]


def identity(overrides: Iterable[str]) -> frozenset[str]:
    """What tells a job from another one: its overrides, in whatever order, as the sweeper writes them."""
    parsed = OverridesParser.create().parse_overrides(_about_the_job(overrides))
    return frozenset(
        f"{key}={each.get_value_element_as_str()}" for each in parsed if (key := each.get_key_element()) != _OUTPUTS
    )


def _typed(hydra: DictConfig) -> list[str]:
    return [str(override) for override in OmegaConf.select(hydra, "overrides.task") or []]


def _about_the_job(overrides: Iterable[str]) -> list[str]:
    """Without how it was started, or gone on with in its own folder; a checkpoint that it began with is its own."""
    kept = [override for override in overrides if override.partition("=")[0].lstrip("+") not in _OF_THE_SWEEP]
    return [each for each in kept if not each.startswith("resume=") or Path(each.strip("'\"")).suffix == ".ckpt"]


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _value(path: Path) -> str:
    """A path as the value of an override: quoted if Hydra would read more than a path in it."""
    text = str(path)
    if re.fullmatch(r"[\w./:+-]+", text, re.ASCII):
        return text
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
