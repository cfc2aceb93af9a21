"""One training of a sweep."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from pacdream.command.result import Result

VALIDATED = ("val/accuracy", "val/copy_accuracy", "val/skill", "val/changed_accuracy", "val/pixel_accuracy")
"""Headline figures of a job that was not measured: those of its best validation."""


@dataclass(frozen=True)
class Job:
    """What one job of a sweep left in its folder."""

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
    logged: pd.DataFrame
    """What was logged: a row per line, a column per metric, NaN where a line has none."""
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
        score = self.result.score if self.result else None
        known = {"score": math.nan if score is None else float(score)}
        known |= self.measured or self._validated()
        return {name: value for name, value in known.items() if math.isfinite(value)}

    def curve(self, over: str) -> "pd.Series[float]":
        """What is monitored, where it is finite, by ``epoch`` or ``step``."""
        found = self.logged.reindex(columns=[over, self.monitor]).replace([math.inf, -math.inf], math.nan).dropna()
        return found.set_index(over)[self.monitor]

    def setting(self, key: str) -> str:
        """A setting as typed, or else as the configuration has it."""
        if key in self.settings:
            return self.settings[key]
        chosen = (OmegaConf.select(self.hydra, "hydra.runtime.choices") or {}).get(key)
        value = chosen or OmegaConf.select(self.config, key, throw_on_resolution_failure=False)
        return json.dumps(value) if value is None or isinstance(value, bool) else str(value).replace(" ", "")

    def _validated(self) -> dict[str, float]:
        """The headline figures of the best validation."""
        monitored = self.logged.reindex(columns=[self.monitor])[self.monitor].replace([math.inf, -math.inf], math.nan)
        if monitored.isna().all():
            return {}
        best = self.logged.loc[monitored.idxmax() if self.mode == "max" else monitored.idxmin()]
        return {name: float(best[name]) for name in VALIDATED if name in best}

    def _checkpoint(self, key: str, default: str) -> str:
        return str(OmegaConf.select(self.config, f"callback.checkpoint.{key}") or default)
