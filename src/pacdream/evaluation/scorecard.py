"""``metrics.json``: the scorecard on disk, every figure with its definition, n, seed and interval."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacdream.core.files import write_json
from pacdream.metric.episode_metric import Figure
from pacdream.metric.figures import DEFINITIONS, definition_of

SCHEMA = 1


@dataclass(frozen=True)
class Reading:
    """A figure as it is read from the file; arrays of equal shape, NaN where nothing was measured."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    """Lower end of the 95 % interval."""
    high: NDArray[np.float64]
    n: NDArray[np.float64]

    @staticmethod
    def of(figure: Figure) -> "Reading":
        """The figure without its samples."""
        return Reading(*(getattr(figure, name).double().numpy() for name in ("value", "low", "high", "n")))


@dataclass(frozen=True)
class Scorecard:
    """All figures of one world model on one set of episodes."""

    figures: dict[str, Reading]
    """By name; a name's last part is its definition, an axis of length ``horizon`` is 1 … horizon."""
    states: list[str]
    """Labels of the axis of the figures ``state/…``."""
    cost: dict[str, float]
    """Parameters, MFLOP per frame, speeds; no intervals."""
    about: dict[str, Any]
    """Seed, device, checkpoint, episodes, tokenizer, settings."""

    def at(self, name: str, horizon: int) -> float:
        """The value of a figure at a horizon, NaN if it was not measured."""
        reading = self.figures.get(name)
        return math.nan if reading is None or horizon > len(reading.value) else float(reading.value[horizon - 1])

    def scalar(self, name: str) -> float:
        """The value of a figure that is one number, NaN if it was not measured."""
        reading = self.figures.get(name)
        return float(reading.value) if reading is not None else math.nan


def write_scorecard(path: Path, card: Scorecard) -> None:
    """Write it, atomically; NaN becomes null."""
    seed = card.about["seed"]
    figures = {
        name: {"definition": definition_of(name), "seed": seed, **{k: _plain(v) for k, v in vars(reading).items()}}
        for name, reading in card.figures.items()
    }
    used = {definition_of(name) for name in card.figures}
    content = {
        "schema": SCHEMA,
        "about": card.about,
        "definitions": {name: DEFINITIONS[name] for name in sorted(used)},
        "states": card.states,
        "cost": card.cost,
        "figures": figures,
    }
    write_json(path, content)


def read_scorecard(path: Path) -> Scorecard:
    """Read what ``write_scorecard`` wrote.

    Raises:
        ValueError: there is none, it is damaged, or of another version of the project.
    """
    if not path.is_file():
        raise ValueError(f"no {path}: measure the run first with `python evaluate.py run={path.parents[1]}`")
    try:
        raw: Mapping[str, Any] = json.loads(path.read_text())
        if raw["schema"] != SCHEMA:
            raise ValueError(f"it has schema {raw['schema']}, this version reads {SCHEMA}")
        figures = {
            name: Reading(*(np.array(entry[key], np.float64) for key in ("value", "low", "high", "n")))
            for name, entry in raw["figures"].items()
        }
        return Scorecard(figures, raw["states"], raw["cost"], raw["about"])
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}; measure the run again with evaluate.py") from error


def _plain(values: NDArray[np.float64]) -> Any:
    """Nested lists with six significant digits and null for NaN."""
    if values.ndim:
        return [_plain(value) for value in values]
    return None if math.isnan(values) else float(f"{values:.6g}")
