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
from pacdream.metric.figures import FIGURES, HEADLINES, definition_of

SCHEMA = 1


@dataclass(frozen=True)
class Reading:
    """A figure as it is read from the file; arrays of equal shape, NaN where nothing was measured."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    """Lower end of the 95 % interval."""
    high: NDArray[np.float64]
    n: NDArray[np.float64]

    def at(self, index: int | None) -> "Reading":
        """One entry of a figure over horizons or states, counted from 1, -1 for the last; NaN beyond the last."""
        if index is None:
            return self
        if index > len(self.value) or not len(self.value):
            nan = np.array(math.nan)
            return Reading(nan, nan, nan, nan)
        place = index if index < 0 else index - 1
        return Reading(self.value[place], self.low[place], self.high[place], self.n[place])

    @property
    def item(self) -> float:
        """The value of a figure that is one number."""
        return float(self.value)

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
        return math.nan if reading is None else reading.at(horizon).item

    def headlines(self) -> dict[str, float]:
        """The few figures that a run is remembered by, under the names of the metric schema, if they were measured."""
        known = {line.name: line for line in HEADLINES if line.figure in self.figures}
        values = {name: self.figures[line.figure].at(line.horizon).item for name, line in known.items()}
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def scalar(self, name: str) -> float:
        """The value of a figure that is one number, NaN if it was not measured."""
        reading = self.figures.get(name)
        return math.nan if reading is None else reading.item


def write_scorecard(path: Path, card: Scorecard) -> None:
    """Write it, atomically; NaN becomes null."""
    seed = card.about["seed"]
    drawn_with = card.about.get("sampler", {}).get("seed", seed)
    figures = {
        name: {
            "definition": _kind(name),
            "seed": drawn_with if "/sampled/" in name else seed,
            "unit": definition_of(name).unit,
            **{k: _plain(v) for k, v in vars(reading).items()},
        }
        for name, reading in card.figures.items()
    }
    used = {_kind(name) for name in card.figures}
    content = {
        "schema": SCHEMA,
        "about": card.about,
        "definitions": {name: FIGURES[name].text for name in sorted(used)},
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
        raise ValueError(
            f"no {path}: measure the run first with `python evaluate.py run={path.parents[1]}`, which "
            "says where it writes what it has measured"
        )
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


def _kind(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _plain(values: NDArray[np.float64]) -> Any:
    """Nested lists with six significant digits and null for NaN."""
    if values.ndim:
        return [_plain(value) for value in values]
    return None if math.isnan(values) else float(f"{values:.6g}")
