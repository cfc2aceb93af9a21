"""What one job of a sweep left in its folder."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import pacdream.core.resolvers  # noqa: F401 - a job's settings call them
from pacdream.command.result import Result, read_result
from pacdream.evaluation.scorecard import read_scorecard
from pacdream.sweep.command import WAY_OUT, settings_of
from pacdream.sweep.csv_log import Row, best_row, read_rows

VALIDATED = ("val/accuracy", "val/copy_accuracy", "val/skill", "val/changed_accuracy", "val/pixel_accuracy")
"""Headline figures of a job that was not measured: those of its best validation."""


@dataclass(frozen=True)
class Job:
    """One training of a sweep."""

    folder: Path
    name: str
    """Its folder, seen from the sweep's."""
    overrides: Sequence[str]
    """As they were typed."""
    settings: Mapping[str, str]
    """Their values by key, as typed."""
    config: DictConfig
    """All settings; interpolations are not resolved."""
    hydra: DictConfig
    """Where the command ran and which options it chose."""
    result: Result | None
    """What training ended with; nothing if it has not."""
    error: str | None
    """The line that the last start ended with, if it was an error."""
    rows: Sequence[Row]
    """What was logged."""
    measured: Mapping[str, float]
    """Headline figures of the scorecard, none if there is no scorecard."""

    @property
    def status(self) -> str:
        """``finished``, ``failed`` or ``unfinished``: interrupted or still running."""
        if self.result is not None:
            return "finished"
        return "unfinished" if self.error is None else "failed"

    @property
    def score(self) -> float:
        """Best value of what is monitored; NaN if there is none, or training has not ended."""
        return self.figures.get("score", math.nan)

    @property
    def monitor(self) -> str:
        """What the score is a value of."""
        return (self.result and self.result.monitor) or self._checkpoint("monitor", "val/loss")

    @property
    def mode(self) -> str:
        """``min`` or ``max``: which scores are better."""
        return self._checkpoint("mode", "min")

    @cached_property
    def figures(self) -> dict[str, float]:
        """``score`` and the headline figures by their names in the metric schema; those without a number are absent."""
        best = best_row(self.rows, self.monitor, self.mode)
        score = self.result.score if self.result else None
        known = {"score": math.nan if score is None else float(score)}
        known |= self.measured or {name: best[name] for name in VALIDATED if name in best}
        return {name: value for name, value in known.items() if math.isfinite(value)}

    def setting(self, key: str) -> str:
        """A setting as typed, or else as the configuration has it."""
        if key in self.settings:
            return self.settings[key]
        chosen = (OmegaConf.select(self.hydra, "hydra.runtime.choices") or {}).get(key)
        value = chosen or OmegaConf.select(self.config, key, throw_on_resolution_failure=False)
        return json.dumps(value) if value is None or isinstance(value, bool) else str(value).replace(" ", "")

    def _checkpoint(self, key: str, default: str) -> str:
        return str(OmegaConf.select(self.config, f"callback.checkpoint.{key}") or default)


def read_job(folder: Path, sweep: Path) -> Job:
    """Read what a job of the sweep in ``sweep`` left.

    Raises:
        ValueError: one of its files is damaged.
    """
    source = folder / ".hydra" / "overrides.yaml"
    overrides = [str(override) for override in load_yaml(source, ListConfig)]
    return Job(
        folder=folder,
        name=str(folder.relative_to(sweep)),
        overrides=overrides,
        settings=settings_of(overrides, source),
        config=load_yaml(folder / ".hydra" / "config.yaml", DictConfig),
        hydra=load_yaml(folder / ".hydra" / "hydra.yaml", DictConfig),
        result=_read_result(folder),
        error=_read_error(folder / "error.txt"),
        rows=read_rows(folder / "csv" / "metrics.csv"),
        measured=_measured(folder / "report" / "metrics.json"),
    )


def load_yaml(path: Path, kind: type, way_out: str = WAY_OUT) -> Any:
    """A YAML file as a ``DictConfig`` or ``ListConfig``.

    Raises:
        ValueError: there is none, it is damaged, or of the other kind.
    """
    try:
        found = OmegaConf.load(path)
    except (OSError, OmegaConfBaseException, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read {path}: {' '.join(str(error).split())}; {way_out}") from error
    if not isinstance(found, kind):
        raise ValueError(f"cannot read {path}: it holds something else; {way_out}")
    return found


def _read_result(folder: Path) -> Result | None:
    result = read_result(folder)
    if result and not isinstance(result.score, float | int | None):
        path = folder / "result.json"
        raise ValueError(f"{path} is damaged (score {result.score!r} is not a number): delete it and resume the sweep")
    return result


def _read_error(path: Path) -> str | None:
    if not path.is_file():
        return None
    line, _, _ = path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")
    return line or "it does not say why"


def _measured(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    card = read_scorecard(path)
    return {
        "report/accuracy": card.scalar("one_step/accuracy"),
        "report/copy_accuracy": card.at("state/copy", 1),  # the first state is all of them
        "report/changed_f1": card.scalar("one_step/changed_f1"),
        "report/bits_per_frame": card.scalar("one_step/bits_per_frame"),
        "rollout/skill_area": card.scalar("open_loop/argmax/skill_area"),
    }
