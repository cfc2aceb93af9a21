"""The scorecard in words and tables, for the terminal, the HTML page and W&B."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pacdream.evaluation.scorecard import Reading, Scorecard

HORIZONS = (1, 2, 4, 8, 15, 30)
NOT_PERCENT = {
    "psnr", "median", "p90", "bits_per_frame", "dots_too_many_eaten", "dots_too_few_eaten",
    "skill", "skill_area", "ece",
}  # fmt: skip
"""Definitions that are not shown in percent."""
NO_SPRITES = "Nothing is known of the sprites of this game: only its pixels are compared."


@dataclass(frozen=True)
class Table:
    """Plain text."""

    title: str
    header: list[str]
    rows: list[list[str]]


def by_horizon(card: Scorecard, title: str, names: Sequence[tuple[str, str]], intervals: bool = True) -> Table:
    """Figures by horizon; ``names`` are pairs of label and figure."""
    known = [(label, name) for label, name in names if name in card.figures]
    longest = max((len(card.figures[name].value) for _, name in known), default=0)
    horizons = [h for h in HORIZONS if h <= longest]
    rows = [[label, *(cell(card.figures[name], name, h - 1, intervals) for h in horizons)] for label, name in known]
    return Table(title, ["", *(str(h) for h in horizons)], rows)


def all_tables(card: Scorecard, intervals: bool = True) -> dict[str, Table]:
    """Every table of the report."""
    modes = [(f, h) for f in ("open_loop", "teacher_forced") for h in ("argmax", "sampled")]
    label = {"open_loop": "open loop", "teacher_forced": "teacher-forced"}
    accuracy = [(f"{label[f]}, {h}", f"{f}/{h}/accuracy") for f, h in modes]
    known = ("copy", "phase_copy", "copy_star", "unigram", "ceiling")
    baselines = [(name.replace("_", " "), f"baseline/{name}") for name in known]
    skill = [(f"skill, {label[f]}, {h}", f"{f}/{h}/skill") for f, h in modes]
    changed = [
        (f"{label[f]}, {kind}", f"{f}/argmax/{name}")
        for f in ("open_loop", "teacher_forced")
        for kind, name in (
            ("precision", "changed_precision"), ("recall", "changed_recall"), ("F1", "changed_f1"),
            ("unchanged codes right", "unchanged_accuracy"), ("bits per frame", "bits_per_frame"),
        )
    ]  # fmt: skip
    shown = {
        "accuracy": ("right codes in % after h steps", accuracy + baselines),
        "skill": (f"skill: 0 copies, 1 is {card.about['ceiling']}", skill),
        "changes": ("codes that change (%), and surprise", changed),
        "game": ("the game after decoding: dream, and what the tokenizer alone makes of reality", _game_names(card)),
        "control": ("does it listen? (%, after h steps)", _control_names()),
    }
    tables = {key: by_horizon(card, title, names, intervals) for key, (title, names) in shown.items()}
    return tables | {"states": states(card, intervals), "cost": cost(card)}


def states(card: Scorecard, intervals: bool = True) -> Table:
    """One step ahead, in rare states of the game."""
    names = ("accuracy", "copy", "changed_precision", "changed_recall", "changed_f1")
    rows = []
    for i, state in enumerate(card.states):
        steps = int(card.figures["state/accuracy"].n[i])
        cells = [cell(card.figures[f"state/{name}"], name, i, intervals) for name in names] if steps else []
        rows.append([state, f"{steps}", *cells])
    return Table("one step ahead in rare states (%)", ["", "steps", *(n.replace("_", " ") for n in names)], rows)


def cost(card: Scorecard) -> Table:
    """What it costs."""
    device = card.about["device"]
    threads = f", {card.about['threads']} thread(s)" if device == "cpu" else ""
    rows = [[name.replace("_", " "), f"{value:,.6g}"] for name, value in card.cost.items()]
    return Table(f"cost on {device}{threads}", ["", ""], rows)


def headline(card: Scorecard) -> str:
    """What the scorecard says, in three sentences."""
    area, half = card.figures["open_loop/argmax/skill_area"], card.scalar("open_loop/argmax/steps_until_half_skill")
    first = (
        f"Skill over the first 15 imagined steps is {float(area.value):.2f} "
        f"[{float(area.low):.2f}, {float(area.high):.2f}] (0 copies, 1 is {card.about['ceiling']}); "
        f"it stays above one half for {half:.0f} step(s)."
    )
    second = (
        f"One step ahead {card.scalar('one_step/accuracy'):.1%} of the codes are right, and of those that change "
        f"{card.scalar('one_step/changed_recall'):.1%} (F1 {card.scalar('one_step/changed_f1'):.2f})."
    )
    move = card.scalar("control/move")
    if math.isnan(move):
        return f"{first} {second}"
    return (
        f"{first} {second} Given a direction, the imagined player goes where the real one goes in {move:.0%} of the "
        f"cases; one that does not listen would in {card.scalar('control/move_chance'):.0%}, the tokenizer alone in "
        f"{card.scalar('control/move_tokenizer'):.0%}."
    )


def cell(reading: Reading, name: str, index: int, intervals: bool = True) -> str:
    """``value [low, high]`` of one entry, in percent where that is natural, a dash where nothing was measured."""
    if index >= len(reading.value) or math.isnan(reading.value[index]):
        return "–"
    definition = name.rsplit("/", 1)[-1]
    scale, digits = (1, 2) if definition in NOT_PERCENT else (100, 1)
    digits = 1 if definition in ("psnr", "bits_per_frame", "median", "p90") else digits
    shown = [f"{scale * values[index]:.{digits}f}" for values in (reading.value, reading.low, reading.high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]" if intervals and shown[1] != "nan" else shown[0]


_PICTURE = {
    "pixel_accuracy": "pixels, %",
    "psnr": "PSNR, dB",
    "dots_too_many_eaten": "dots too many eaten",
    "dots_too_few_eaten": "dots too few eaten",
}
_SPRITE = {"median": "median px", "p90": "90 % px", "lost": "lost, %", "doubled": "doubled, %"}
_ROWS = {
    "dream": "dream",
    "copy": "copy",
    "tokenizer": "tokenizer",
    "dream_to_reconstruction": "dream against reconstruction",
}


def _game_names(card: Scorecard) -> list[tuple[str, str]]:
    names = [(f"{what}: {who}", f"game/{row}/{key}") for key, what in _PICTURE.items() for row, who in _ROWS.items()]
    sprites = sorted({name.split("/")[2] for name in card.figures if name.startswith("game/real/")})
    for sprite in sprites:
        for figure, what in _SPRITE.items():
            rows = ("dream", "copy", "tokenizer", *(("real",) if figure in ("median", "p90") else ()))
            names += [(f"{sprite} {what}: {row}", f"game/{row}/{sprite}/{figure}") for row in rows]
    return names


def _control_names() -> list[tuple[str, str]]:
    return [
        ("dream nearest to its own direction's future", "control/retrieval"),
        ("the same for the real futures", "control/retrieval_best"),
        ("codes that differ between directions: dream", "control/spread_imagined"),
        ("codes that differ between directions: real", "control/spread_real"),
        ("codes changed by exchanged actions", "control/divergence"),
        ("accuracy with exchanged actions", "control/shuffled_accuracy"),
    ]
