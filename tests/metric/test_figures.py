import numpy as np
import pytest

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.measure import Measurement
from pacdream.metric.figures import CURVES, FIGURES, HEADLINES, definition_of
from pacdream.report.compare import PLOTTED
from tests.runs import tiny_measurement


@pytest.fixture(scope="module")
def done(latents: LatentDataModule) -> Measurement:
    return tiny_measurement(latents)


def kind(name: str) -> str:
    return name.rpartition("/")[2]


def test_every_figure_has_a_definition(done: Measurement) -> None:
    assert {kind(name) for name in done.card.figures} <= FIGURES.keys()


def test_every_definition_is_used(done: Measurement) -> None:
    assert FIGURES.keys() <= {kind(name) for name in done.card.figures}


@pytest.mark.parametrize("definition", FIGURES)
def test_a_definition_is_one_phrase(definition: str) -> None:
    text = FIGURES[definition].text
    assert text.strip() == text
    assert "\n" not in text
    assert len(text) > 10


def test_shares_lie_between_zero_and_one(done: Measurement) -> None:
    for name, reading in done.card.figures.items():
        values = reading.value[~np.isnan(reading.value)]
        assert definition_of(name).unit != "%" or ((values >= 0) & (values <= 1)).all(), name


def test_names_and_columns_of_headlines_are_unique() -> None:
    for given in ([line.name for line in HEADLINES], [line.column for line in HEADLINES if line.column]):
        assert len(set(given)) == len(given)


def test_whatever_is_compared_plotted_or_logged_is_measured(done: Measurement) -> None:
    wanted = {*(line.figure for line in HEADLINES), *PLOTTED, *CURVES.values()}
    assert wanted <= done.card.figures.keys()
    assert wanted <= done.samples.keys()


def test_every_figure_is_measured_in_the_way_it_is_shown(done: Measurement) -> None:
    assert all(done.card.figures[name].value.shape == (8,) for name in {*PLOTTED, *CURVES.values()})
    assert all(done.card.figures[line.figure].value.ndim == 1 for line in HEADLINES if line.horizon)
    scalars = {line.figure for line in HEADLINES if not line.horizon}
    assert all(done.card.figures[name].value.shape == () for name in scalars)
