import numpy as np
import pytest
import torch

from pacdream.planner.cem import CrossEntropyMethod
from pacdream.planner.imagination import Imagination
from pacdream.planner.judge import Judge
from pacdream.planner.prospects import Objective
from pacdream.planner.random_shooting import RandomShooting
from pacdream.policy.base import generators
from tests.planner.line_world import (
    LEFT,
    LENGTH,
    RIGHT,
    START,
    STAY,
    TRAP,
    LineOutcome,
    LineSpans,
    LineWorld,
    dream,
    present,
    walk,
)  # fmt: skip

HORIZON = 9
SEARCHES = {
    "random_shooting": RandomShooting(num_futures=40, horizon=HORIZON, max_hold=HORIZON),
    "cem": CrossEntropyMethod(num_futures=60, horizon=HORIZON, hold=3, iterations=4, elites=6, learning_rate=0.8),
}


def value_in(foresight, now, objective):
    def value(plans):
        found = objective(foresight.foretell(now, torch.from_numpy(plans)))
        return found.view(plans.shape[:2]).double().numpy()

    return value


def best_plan(search, places, objective, foresight=None, seed=0):
    now = present(*places)
    value = value_in(foresight or dream(), now, objective)
    previous = np.zeros((len(places), HORIZON), np.int64)
    return search.plan(value, 3, previous, generators(seed, len(places)))


def places_of(plan, start):
    codes, seen = torch.nn.functional.one_hot(torch.tensor([start]), LENGTH)[:, None], []
    for action in plan.tolist():
        codes = walk(codes, torch.tensor([action]))
        seen.append(int(codes[0, 0].argmax()))
    return seen


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_planner_walks_to_the_points_and_stays_there(search):
    plans, values = best_plan(search, [START + 2], Objective(1.0, 500.0))
    steps = LENGTH - 1 - (START + 2)
    assert places_of(plans[0], START + 2)[steps - 1 :] == [LENGTH - 1] * (HORIZON - steps + 1)
    assert values[0] == pytest.approx(10 * (HORIZON - steps + 1), abs=1e-3)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_planner_that_is_lied_to_about_death_dies(search):
    objective = Objective(1.0, 500.0)
    blind, believed = best_plan(search, [START], objective, dream(sees_death=False))
    seeing, known = best_plan(search, [START], objective)
    really = value_in(dream(), present(START), objective)(blind[:, None])[0, 0]
    assert TRAP in places_of(blind[0], START)
    assert TRAP not in places_of(seeing[0], START)
    assert believed[0] > known[0] > 0 > really  # what it was promised, what there was, what it got


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_cheap_death_is_accepted_for_many_points(search):
    plans, _ = best_plan(search, [START], Objective(1.0, 0.0))
    assert TRAP in places_of(plans[0], START)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_planning_for_several_games_at_once_is_planning_for_each(search):
    places, objective = [START, START + 3, 1], Objective(0.97, 500.0)
    together, values = best_plan(search, places, objective)
    rngs = generators(0, len(places))
    for i, place in enumerate(places):
        alone, value = search.plan(
            value_in(dream(), present(place), objective), 3, np.zeros((1, HORIZON), np.int64), [rngs[i]]
        )
        assert (alone[0] == together[i]).all()
        assert value[0] == pytest.approx(values[i])


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_what_was_planned_before_is_not_forgotten(search):
    """The remainder of a perfect plan is found again, however few futures are drawn."""
    objective, now = Objective(1.0, 500.0), present(START)
    perfect = np.array([[RIGHT] * 5 + [STAY] * (HORIZON - 5)])
    rare = type(search)(**{**vars(search), "num_futures": 6})
    plans, values = rare.plan(value_in(dream(), now, objective), 3, perfect, generators(1, 1))
    assert values[0] >= value_in(dream(), now, objective)(perfect[:, None])[0, 0]
    assert plans.shape == perfect.shape


def test_futures_are_imagined_in_batches_of_the_wanted_size_with_the_same_result():
    plans = torch.randint(3, (2, 7, HORIZON))
    whole, parts = dream(), dream(batch_size=4)
    one, other = (f.foretell(present(START, 1), plans) for f in (whole, parts))
    assert max(parts.model.batches) == 4
    for name in ("points", "dies", "dies_soon"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_whether_she_is_caught_is_asked_at_every_step_of_a_plan():
    """The trap is entered at the third of so many steps, and left again; the fourth sees nothing any more."""
    plan = torch.tensor([[[LEFT] * 3 + [RIGHT] * (HORIZON - 3)]])
    assert dream().foretell(present(START), plan).dies_soon.tolist() == pytest.approx([1 / HORIZON])


def test_both_networks_tell_points_and_the_outcome_network_who_dies():
    plan = torch.tensor([[[RIGHT] * 5 + [LEFT, RIGHT], [LEFT] * 3 + [STAY] * 4]])
    by_steps = dream().foretell(present(START), plan)
    by_spans, by_both = (
        Imagination(LineWorld(), Judge(LineOutcome(), 3, LineSpans(), share)).foretell(present(START), plan)
        for share in (1.0, 0.25)
    )
    assert by_spans.points.tolist() == [[0, 0, 0, 0, 40, -40, 40], [0] * 7]
    assert by_steps.points[1, 2] == 100
    torch.testing.assert_close(by_both.points, (3 * by_steps.points + by_spans.points) / 4)
    assert torch.equal(by_both.dies, by_steps.dies)
    assert torch.equal(by_both.dies_soon, by_steps.dies_soon)


@pytest.mark.parametrize("spans", [LineSpans(before=1), LineSpans(after=1)])
def test_a_span_network_that_looks_at_other_grids_is_refused(spans):
    with pytest.raises(ValueError, match="train them with the same"):
        Judge(LineOutcome(), 10, spans)


def test_a_span_network_of_another_tokenizer_is_refused():
    spans = LineSpans()
    spans.codebook_size = 3
    with pytest.raises(
        ValueError, match=r"with 3 codes, the outcome network for .* with 2: train both behind the same"
    ):
        Judge(LineOutcome(), 10, spans)


def test_a_span_network_that_is_given_is_asked():
    plan, grids = torch.tensor([[[RIGHT]]]), walk(present(LENGTH - 2).state.codes, torch.tensor([RIGHT]))[None, None]
    assert Judge(LineOutcome(), 10, LineSpans())(present(LENGTH - 2), grids, plan).points.tolist() == [[40]]
    assert Judge(LineOutcome(), 10)(present(LENGTH - 2), grids, plan).points.tolist() == [[10]]


def test_what_is_left_of_the_last_plan_and_every_held_action_are_compared():
    kept = RandomShooting(num_futures=4, horizon=5, max_hold=2)._futures(
        np.zeros(5, np.int64), np.repeat(np.arange(3)[:, None], 5, 1), 3, np.random.default_rng(0)
    )
    assert kept.tolist() == [[0] * 5, [STAY] * 5, [RIGHT] * 5, [LEFT] * 5]


def test_where_there_is_no_room_for_every_action_each_has_its_chance():
    search = RandomShooting(num_futures=4, horizon=3, max_hold=2)
    compared = []
    search.plan(
        lambda plans: compared.append(plans) or np.zeros(plans.shape[:2]),
        18, np.zeros((50, 3), np.int64), [np.random.default_rng(seed) for seed in range(50)],
    )  # fmt: skip
    assert set(compared[0][:, 1:, 0].flatten().tolist()) == set(range(18))


def test_more_elites_than_plans_are_refused():
    with pytest.raises(ValueError, match=r"elites=9 must not exceed num_futures=8"):
        CrossEntropyMethod(8, 5, 1, 1, 9, 0.5)


@pytest.mark.parametrize(("discount", "cost", "message"), [(0.0, 1.0, "discount=0"), (1.0, -1.0, "death_cost=-1")])
def test_objectives_that_make_no_sense_are_refused(discount, cost, message):
    with pytest.raises(ValueError, match=message):
        Objective(discount, cost)
