import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.scorecard import Reading, Scorecard, read_scorecard, write_scorecard
from pacdream.metric.episode_metric import Figure
from pacdream.metric.figures import FIGURES
from pacdream.report.tables import events
from tests.runs import tiny_measurement


@pytest.fixture(scope="module")
def card(latents: LatentDataModule) -> Scorecard:
    return tiny_measurement(latents).card


@pytest.fixture
def path(card: Scorecard, tmp_path: Path) -> Path:
    written = tmp_path / "run" / "report" / "metrics.json"
    write_scorecard(written, card)
    return written


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match=str(path)) as error:
        read_scorecard(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def reading(*values: float) -> Reading:
    return Reading(*(np.array(values, np.float64) + shift for shift in (0, -0.1, 0.1, 7)))


def test_a_scorecard_survives_the_file(card: Scorecard, path: Path) -> None:
    found = read_scorecard(path)
    assert list(found.figures) == list(card.figures)
    for name, reading in card.figures.items():
        for field in fields(reading):
            there, here = getattr(found.figures[name], field.name), getattr(reading, field.name)
            assert there.shape == here.shape
            np.testing.assert_allclose(there, here, rtol=1e-5, equal_nan=True)
    assert (found.states, found.cost, found.about) == (card.states, card.cost, card.about)


def test_nothing_measured_is_null_in_the_file_and_nan_again(path: Path) -> None:
    raw, found = json.loads(path.read_text(), parse_constant=pytest.fail), read_scorecard(path)
    values = raw["figures"]["state/accuracy"]["value"]
    assert None in values
    assert [math.isnan(value) for value in found.figures["state/accuracy"].value] == [v is None for v in values]


def test_what_is_written_again_is_the_same_file(path: Path) -> None:
    before = path.read_text()
    write_scorecard(path, read_scorecard(path))
    assert path.read_text() == before


def test_every_figure_comes_with_definition_seed_n_and_interval(card: Scorecard, path: Path) -> None:
    raw = json.loads(path.read_text())
    for name, entry in raw["figures"].items():
        assert entry.keys() == {"definition", "unit", "seed", "value", "low", "high", "n"}
        assert raw["definitions"][entry["definition"]] == FIGURES[name.rpartition("/")[2]].text
        assert entry["seed"] == card.about["seed"]


def test_what_is_drawn_is_drawn_with_the_samplers_seed(card: Scorecard, tmp_path: Path) -> None:
    about = {**card.about, "sampler": {"name": "Categorical", "temperature": 0.7, "top_k": None, "seed": 5}}
    write_scorecard(tmp_path / "metrics.json", replace(card, about=about))
    figures = json.loads((tmp_path / "metrics.json").read_text())["figures"]
    drawn = {name for name in figures if "/sampled/" in name}
    assert drawn
    assert {entry["seed"] for name, entry in figures.items() if name in drawn} == {5}
    assert {entry["seed"] for name, entry in figures.items() if name not in drawn} == {about["seed"]}


def test_a_figure_that_nobody_has_defined_is_not_written(card: Scorecard, tmp_path: Path) -> None:
    strange = Scorecard({"one_step/luck": reading(1.0)}, [], {}, card.about)
    with pytest.raises(KeyError, match="luck"):
        write_scorecard(tmp_path / "metrics.json", strange)
    assert not list(tmp_path.iterdir())


def test_values_are_found_by_horizon() -> None:
    card = Scorecard({"open_loop/argmax/skill": reading(0.5, 0.25)}, [], {}, {})
    assert [card.at("open_loop/argmax/skill", h) for h in (1, 2)] == [0.5, 0.25]
    assert math.isnan(card.at("open_loop/argmax/skill", 3))
    assert math.isnan(card.at("open_loop/sampled/skill", 1))


def test_values_without_a_horizon_are_found() -> None:
    card = Scorecard({"one_step/ece": Reading(*(np.array(0.5),) * 4)}, [], {}, {})
    assert card.scalar("one_step/ece") == 0.5
    assert math.isnan(card.scalar("one_step/accuracy"))


def test_one_of_before_lives_were_told_within_several_numbers_of_steps_still_opens() -> None:
    one = Reading(*(np.array(0.5),) * 4)
    names = [
        f"outcome/step/{event}/{kind}" for event in ("points", "lost", "over") for kind in ("ap", "base_rate", "ece")
    ]
    card = Scorecard(dict.fromkeys(names, one), [], {}, {"values": []})
    assert card.headlines() == {"outcome/step/points/ap": 0.5}
    assert [row[0] for row in events(card).rows] == ["points", "game over within 4 steps"]


def test_a_reading_is_the_figure_without_its_samples() -> None:
    parts = [torch.tensor([1.0, math.nan]) + shift for shift in range(4)]
    found = Reading.of(Figure(*parts, samples=torch.zeros(5, 2)))
    for part, field in zip(parts, fields(found), strict=True):
        np.testing.assert_array_equal(getattr(found, field.name), part.double().numpy())


def test_a_run_that_was_not_measured_is_told_how(tmp_path: Path) -> None:
    line = refusal(tmp_path / "run" / "report" / "metrics.json")
    assert f"measure the run first with `python evaluate.py run={tmp_path / 'run'}`" in line


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"null", b"{}", b"\xff\xfe\x00", b'{"schema": 1}'], ids=repr
)
def test_a_damaged_file_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "measure the run again" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_named(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refusal(path)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_a_foreign_schema_is_refused(path: Path, schema: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": schema}))
    assert f"it has schema {schema}, this version reads 1" in refusal(path)


@pytest.mark.parametrize("key", ["figures", "states", "cost", "about"])
def test_a_file_without_a_part_is_refused(path: Path, key: str) -> None:
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))
    assert repr(key) in refusal(path)


@pytest.mark.parametrize("figures", [{"a": None}, {"a": {}}, {"a": {"value": "x"}}], ids=repr)
def test_figures_without_numbers_are_refused(path: Path, figures: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "figures": figures}))
    refusal(path)


@pytest.mark.parametrize("figures", [None, [], "text"], ids=repr)
def test_figures_that_are_none_are_refused(path: Path, figures: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "figures": figures}))
    refusal(path)
