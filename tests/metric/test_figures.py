import pytest

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.measure import Measurement
from pacdream.metric.figures import DEFINITIONS, definition_of
from pacdream.report.compare import COMPARED, PLOTTED
from pacdream.report.tables import NOT_PERCENT
from pacdream.report.wandb_log import BY_HORIZON
from tests.runs import tiny_measurement


@pytest.fixture(scope="module")
def done(latents: LatentDataModule) -> Measurement:
    return tiny_measurement(latents)


def test_every_figure_has_a_definition(done: Measurement) -> None:
    assert {definition_of(name) for name in done.card.figures} <= DEFINITIONS.keys()


def test_every_definition_is_used(done: Measurement) -> None:
    assert DEFINITIONS.keys() <= {definition_of(name) for name in done.card.figures}


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_definition_is_one_phrase(definition: str) -> None:
    text = DEFINITIONS[definition]
    assert text.strip() == text
    assert "\n" not in text
    assert len(text) > 10


def test_units_are_those_of_known_definitions() -> None:
    assert DEFINITIONS.keys() >= NOT_PERCENT


def test_whatever_is_compared_plotted_or_logged_is_measured(done: Measurement) -> None:
    wanted = {*(name for name, _ in COMPARED.values()), *PLOTTED, *BY_HORIZON.values()}
    assert wanted <= done.card.figures.keys()
    assert wanted <= done.samples.keys()


def test_every_figure_is_measured_in_the_way_it_is_shown(done: Measurement) -> None:
    by_horizon = {name for name, horizon in COMPARED.values() if horizon} | {*PLOTTED, *BY_HORIZON.values()}
    assert all(done.card.figures[name].value.shape == (8,) for name in by_horizon)
    scalars = {name for name, horizon in COMPARED.values() if not horizon}
    assert all(done.card.figures[name].value.shape == () for name in scalars)
