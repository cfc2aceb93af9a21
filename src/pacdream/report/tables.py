"""The scorecard in tables, for the terminal and the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pacdream.evaluation.scorecard import Reading, Scorecard
from pacdream.metric.figures import FIGURES, Definition, definition_of

HORIZONS = (1, 2, 4, 8, 15, 30)
NO_SPRITES = "Nothing is known of the sprites of this game: only its pixels are compared."
_FEEDS = {"open_loop": "open loop", "teacher_forced": "teacher-forced"}
_BASELINES = ("copy", "phase_copy", "copy_star", "unigram", "ceiling")
_CHANGES = ("changed_precision", "changed_recall", "changed_f1", "unchanged_accuracy", "bits_per_frame")
_PICTURES = (
    "pixel_accuracy",
    "psnr",
    "dots_too_many_eaten",
    "dots_too_few_eaten",
    "dots_eaten_within_one",
    "dots_eaten_correlation",
)
_SPRITES = ("median", "p90", "lost", "doubled")
_SHOWN_AS = {
    "dream": "dream",
    "copy": "copy",
    "tokenizer": "tokenizer",
    "dream_to_reconstruction": "dream against reconstruction",
    "real": "real frames",
}
_CONTROL = ("retrieval", "retrieval_best", "spread_imagined", "spread_real", "divergence", "shuffled_accuracy")
_STATES = ("accuracy", "copy", "changed_precision", "changed_recall", "changed_f1")


@dataclass(frozen=True)
class Cell:
    """One figure in a table: numbers, and how they are shown."""

    reading: Reading
    definition: Definition
    mark: str = ""
    """Behind the value."""

    @property
    def text(self) -> str:
        """The value, a dash where nothing was measured."""
        value = self.reading.item
        return "–" if math.isnan(value) else f"{self._shown(value)}{self.mark}"

    @property
    def interval(self) -> str:
        """``[low, high]``, nothing if there is no interval."""
        low, high = float(self.reading.low), float(self.reading.high)
        return "" if math.isnan(low) or math.isnan(self.reading.item) else f"[{self._shown(low)}, {self._shown(high)}]"

    def _shown(self, value: float) -> str:
        return f"{self.definition.scale * value:.{self.definition.digits}f}"


@dataclass(frozen=True)
class Table:
    """Rows of text and of figures."""

    title: str
    header: list[str]
    rows: Sequence[Sequence[str | Cell]]


def cell(card: Scorecard, name: str, index: int | None, mark: str = "") -> Cell:
    """A figure of the scorecard at a horizon or state, counted from 1, or as a whole."""
    return Cell(card.figures[name].at(index), definition_of(name), mark)


def all_tables(card: Scorecard) -> dict[str, Table]:
    """Every table of the report."""
    modes = [(f"{label}, {how}", f"{feed}/{how}") for feed, label in _FEEDS.items() for how in ("argmax", "sampled")]
    accuracy = [(label, f"{mode}/accuracy") for label, mode in modes]
    accuracy += [(FIGURES[name].label, f"baseline/{name}") for name in _BASELINES]
    feeds = {**{f"{feed}/argmax": label for feed, label in _FEEDS.items()}, "baseline/copy_star": "copy*"}
    changes = [
        (f"{FIGURES[kind].label}: {label}", f"{feed}/{kind}") for kind in _CHANGES for feed, label in feeds.items()
    ]
    rows = {
        "headline": (
            "where everything is, after h steps: 0 is copying, 1 is what the tokenizer shows",
            _headline(card),
        ),
        "accuracy": ("right codes in % after h steps", accuracy),
        "skill": (
            f"skill: 0 is copy*, 1 is {card.about['ceiling']}",
            [(label, f"{mode}/skill") for label, mode in modes],
        ),
        "changes": ("codes that change (%), and surprise", changes),
        "game": (
            "the game after decoding: dreams, and what the tokenizer alone makes of the real frames",
            _game(card),
        ),
        "control": (
            "does it obey the action? (%, after h steps)",
            [(FIGURES[k].label, f"control/{k}") for k in _CONTROL],
        ),
    }
    tables = {key: by_horizon(card, title, names) for key, (title, names) in rows.items()}
    tables |= {"one_step": one_step(card), "states": states(card), "cost": cost(card)}
    return tables | {"returns": returns(card), "events": events(card)}


def returns(card: Scorecard) -> Table:
    """Whether it is known what actions earn, on real grids and in the dream."""
    names = [
        (f"{FIGURES[kind].label}: {who}{how}", f"{judge}/{who}/{kind}")
        for kind in ("return_correlation", "return_expected", "return_real")
        for judge, how in (("outcome", ""), ("spans", ", since the present"))
        for who in ("real", "dream")
        if (judge, kind) != ("spans", "return_real")
    ]
    names += [
        (f"{event}, {FIGURES[kind].label}: {who}", f"outcome/{who}/{event}/{kind}")
        for event in ("points", "lost")
        for kind in ("ap", "base_rate")
        for who in ("real", "dream")
    ]
    return by_horizon(card, "what actions earn, told from grids (after h steps; average precision in %)", names)


def events(card: Scorecard) -> Table:
    """How well an outcome network tells what a real step earned."""
    kinds = ("ap", "base_rate", "ece")
    rows: list[list[str | Cell]] = []

    def add(label: str, event: str, index: int | None = None) -> None:
        cells = [cell(card, f"outcome/step/{event}/{kind}", index) for kind in kinds]
        rows.append([label, str(int(cells[0].reading.n)), *cells])

    if "outcome/step/points/ap" in card.figures:
        add("points", "points")
        for i, steps in enumerate(card.about.get("lost_within", ()), 1):
            add(f"a life lost within {steps} step{'s' * (steps > 1)}", "lost_within", i)
        add("game over within 4 steps", "over")
        for i, points in enumerate(card.about.get("values", ()), 1):
            add(f"{points:g} points", "value", i)
    return Table("what a real step earned", ["", "steps", *(FIGURES[kind].label for kind in kinds)], rows)


def by_horizon(card: Scorecard, title: str, names: Sequence[tuple[str, str]]) -> Table:
    """Figures by horizon; ``names`` are pairs of label and figure."""
    known = [(label, name) for label, name in names if name in card.figures]
    longest = max((len(card.figures[name].value) for _, name in known), default=0)
    horizons = [h for h in HORIZONS if h <= longest]
    rows: list[list[str | Cell]] = [[label, *(cell(card, name, h) for h in horizons)] for label, name in known]
    return Table(title, ["", *map(str, horizons)], rows)


def one_step(card: Scorecard) -> Table:
    """One step ahead of all held-out steps, the model beside copy*."""
    kinds = ("accuracy", "changed_precision", "changed_recall", "changed_f1")
    rows: list[list[str | Cell]] = [
        [label, *(cell(card, f"{group}/{kind}", None) for kind in kinds)]
        for label, group in (("model", "one_step"), ("copy*", "one_step_copy_star"))
    ]
    return Table("one step ahead (%)", ["", *(FIGURES[kind].label for kind in kinds)], rows)


def states(card: Scorecard) -> Table:
    """One step ahead, in rare states of the game."""
    rows: list[list[str | Cell]] = []
    for i, state in enumerate(card.states, 1):
        steps = int(card.figures["state/accuracy"].at(i).n)
        cells = [cell(card, f"state/{name}", i) for name in _STATES] if steps else []
        rows.append([state, str(steps), *cells])
    return Table("one step ahead in rare states (%)", ["", "steps", *(FIGURES[name].label for name in _STATES)], rows)


def cost(card: Scorecard) -> Table:
    """What it costs."""
    device = card.about["device"]
    threads = f", {card.about['threads']} thread(s)" if device == "cpu" else ""
    rows: list[list[str | Cell]] = [[name.replace("_", " "), f"{value:,.6g}"] for name, value in card.cost.items()]
    return Table(f"cost on {device}{threads}", ["", ""], rows)


def _headline(card: Scorecard) -> list[tuple[str, str]]:
    """Labels and figures that tell whether a dream is any good, whatever tokenizer it lives behind."""
    names = [(FIGURES["position_skill"].label, "game/position_skill")]
    for sprite in card.about["sprites"]:
        names += [
            (f"{sprite} off by, px: {who}", f"game/{who}/{sprite}/median") for who in ("dream", "copy", "tokenizer")
        ]
    kinds = ("dots_eaten_within_one", "dots_eaten_correlation")
    return names + [
        (f"{FIGURES[kind].label}: {who}", f"game/{who}/{kind}") for kind in kinds for who in ("dream", "copy")
    ]


def _game(card: Scorecard) -> list[tuple[str, str]]:
    """Labels and figures of the game's own space."""
    names = [(FIGURES[kind].label_with_unit, who, f"game/{who}/{kind}") for kind in _PICTURES for who in _SHOWN_AS]
    for sprite in card.about["sprites"]:
        names += [
            (f"{sprite} {FIGURES[kind].label_with_unit}", who, f"game/{who}/{sprite}/{kind}")
            for kind in _SPRITES
            for who in _SHOWN_AS
            if who != "real" or kind in ("median", "p90")
        ]
    return [(f"{what}: {_SHOWN_AS[who]}", name) for what, who, name in names]
