from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.scorecard import Reading, Scorecard
from pacdream.report.tables import Table, all_tables, by_horizon, cell, cost, states
from pacdream.report.verdict import verdict
from tests.runs import tiny_measurement

NAN = float("nan")
SKILL, ACCURACY = "open_loop/argmax/skill", "open_loop/argmax/accuracy"


@pytest.fixture(scope="module")
def card(latents: LatentDataModule) -> Scorecard:
    return tiny_measurement(latents).card


def reading(*values: float, n: float = 100) -> Reading:
    array = np.array(values)
    return Reading(array, array - 0.1, array + 0.1, np.full_like(array, n))


def number(value: float) -> Reading:
    return Reading(*(np.array(v) for v in (value, value - 0.1, value + 0.1, 100.0)))


def texts(table: Table) -> list[list[str]]:
    """What the cells say."""
    return [[value if isinstance(value, str) else value.text for value in row] for row in table.rows]


def small_card(figures: dict[str, Reading], **about: Any) -> Scorecard:
    return Scorecard(figures, ["all", "fruit"], {}, {"device": "cpu", "threads": 1, "ceiling": "emulator", **about})


def test_every_table_is_whole(card: Scorecard) -> None:
    tables = all_tables(card)
    assert tables.keys() == {
        "one_step",
        "accuracy",
        "skill",
        "changes",
        "game",
        "control",
        "states",
        "cost",
        "headline",
        "returns",
        "events",
    }
    for name, table in tables.items():
        assert table.title
        assert table.rows
        assert name == "states" or all(len(row) == len(table.header) for row in table.rows)
        assert len({row[0] for row in table.rows}) == len(table.rows)


def test_every_figure_by_horizon_is_in_a_table(card: Scorecard) -> None:
    tables = all_tables(card)
    sizes = {name: len(tables[name].rows) for name in ("accuracy", "skill", "changes", "control")}
    assert sizes == {"accuracy": 4 + 5, "skill": 4, "changes": 10 + 4, "control": 6}
    turns = {f"game/{who}/{what}" for who in ("dream", "tokenizer") for what in ("turn", "false_turn")}
    elsewhere = {"game/position_skill", *turns}
    game = {name for name in card.figures if name.startswith("game/") and not name.startswith("game/real")} - elsewhere
    assert "game/position_skill" in card.figures
    ghosts_twice = 5 * 2  # the real frames' median and p90
    assert len(tables["game"].rows) == len(game) + ghosts_twice


def test_without_a_ceiling_its_row_is_left_out(card: Scorecard) -> None:
    figures = {name: reading for name, reading in card.figures.items() if name != "baseline/ceiling"}
    rows = [row[0] for row in all_tables(replace(card, figures=figures))["accuracy"].rows]
    assert "ceiling" not in rows
    assert "copy*" in rows


def test_columns_are_the_horizons_that_were_imagined() -> None:
    card = small_card({SKILL: reading(*range(8)), ACCURACY: reading(0.5, 0.5)})
    table = by_horizon(card, "title", [("skill", SKILL), ("codes", ACCURACY), ("never", "measured")])
    assert table.header == ["", "1", "2", "4", "8"]
    assert texts(table) == [["skill", "0.00", "1.00", "3.00", "7.00"], ["codes", "50.0", "50.0", "–", "–"]]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("open_loop/argmax/accuracy", "12.3 [2.3, 22.3]"),
        ("game/dream/sue/lost", "12.3 [2.3, 22.3]"),
        ("open_loop/argmax/skill", "0.12 [0.02, 0.22]"),
        ("open_loop/argmax/skill_area", "0.12 [0.02, 0.22]"),
        ("one_step/ece", "0.12 [0.02, 0.22]"),
        ("one_step/bits_per_frame", "0.1 [0.0, 0.2]"),
        ("game/dream/sue/median", "0.1 [0.0, 0.2]"),
        ("game/dream/dots_too_many_eaten", "0.12 [0.02, 0.22]"),
    ],
)
def test_a_figure_is_shown_in_its_unit(name: str, shown: str) -> None:
    found = cell(small_card({name: reading(0.123)}), name, 1)
    assert f"{found.text} {found.interval}" == shown
    assert found.reading.item == 0.123


@pytest.mark.parametrize("index", [2, 3, 30])
def test_what_was_not_measured_is_a_dash(index: int) -> None:
    found = cell(small_card({ACCURACY: reading(0.5, NAN)}), ACCURACY, index, "*")
    assert (found.text, found.interval) == ("–", "")


def test_a_mark_stands_behind_the_value() -> None:
    assert cell(small_card({ACCURACY: reading(0.5)}), ACCURACY, 1, "*").text == "50.0*"


def test_a_state_that_never_was_has_only_its_name() -> None:
    names = ("accuracy", "copy", "changed_precision", "changed_recall", "changed_f1")
    figures = {f"state/{name}": reading(0.5, NAN) for name in names}
    figures["state/accuracy"] = replace(figures["state/accuracy"], n=np.array([117.0, 0.0]))
    table = states(small_card(figures))
    assert texts(table) == [["all", "117", *["50.0"] * 5], ["fruit", "0"]]


def test_cost_says_on_what_it_was_measured(card: Scorecard) -> None:
    assert cost(card).title.startswith("cost on cpu, ")
    assert cost(replace(card, about={**card.about, "device": "cuda:0"})).title == "cost on cuda:0"
    assert len(cost(card).rows) == len(card.cost)


AREA, TURN = "open_loop/argmax/skill_area", "game/dream/turn"
FIGURES = {
    AREA: number(0.25), SKILL: reading(0.3, 0.2), "game/position_skill": reading(0.6, 0.5), TURN: number(0.8),
    "open_loop/argmax/steps_until_half_skill": number(3),
    "one_step_copy_star/accuracy": number(0.7), "one_step_copy_star/changed_f1": number(0.2),
    "one_step/accuracy": number(0.955), "one_step/changed_recall": number(0.4), "one_step/changed_f1": number(0.45),
    "control/move": number(0.75), "control/move_chance": number(0.3), "control/move_tokenizer": number(0.8),
}  # fmt: skip


def test_the_verdict_says_it_in_words() -> None:
    said = verdict(small_card(FIGURES))
    for part in ("0.25 [0.15, 0.35]", "1 is emulator", "3 step(s)", "95.5%", "40.0%", "F1 0.45", "75%", "30%", "80%"):
        assert part in said


def test_the_verdict_is_silent_about_what_is_not_known() -> None:
    unknown = {
        name: Reading(*(np.full_like(part, NAN) for part in (reading.value, reading.low, reading.high, reading.n)))
        for name, reading in FIGURES.items()
        if name.startswith(("game", "control"))
    }
    area = {AREA: replace(FIGURES[AREA], low=np.array(NAN), high=np.array(NAN))}
    said = verdict(small_card({**FIGURES, **unknown, **area}))
    assert "nan" not in said
    assert "over the first 2 imagined steps" in said


def test_the_verdict_without_control_is_shorter() -> None:
    figures = {name: reading for name, reading in FIGURES.items() if not name.startswith("control")}
    said = verdict(small_card(figures, ceiling="a perfect prediction (no emulator)"))
    assert "imagined player" not in said
    assert "nan" not in said
    assert "1 is a perfect prediction (no emulator)" in said
