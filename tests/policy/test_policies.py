from itertools import groupby

import numpy as np
import pytest
import torch

from pacdream.policy.base import generators
from pacdream.policy.held import HeldPolicy
from pacdream.policy.held_random import HeldRandomPolicy
from pacdream.policy.lookahead import LookaheadPolicy
from pacdream.policy.mixture import MixturePolicy
from pacdream.policy.random import RandomPolicy
from pacdream.policy.recorded import RecordedPolicy

NAMES = ("NOOP", "UP", "RIGHT", "LEFT", "DOWN")
PLAN = {"num_futures": 3, "horizon": 6, "max_hold": 3, "replan_every": 2, "death_cost": 500.0, "max_epsilon": 0.3}
RANDOM = {
    "random": RandomPolicy,
    "held_random": lambda: HeldRandomPolicy(8),
    "mixture": lambda: MixturePolicy({"a": RandomPolicy(), "b": HeldRandomPolicy(3)}, {"a": 1.0, "b": 1.0}),
}


class Named:
    """Plays the length of its name."""

    def __init__(self, name):
        self.name = name

    def begin(self, action_names, rngs, games=None):
        self.rows = len(rngs)

    def act(self, observation):
        assert len(observation) == self.rows
        return np.full(self.rows, len(self.name))


def actions(policy, num_rows, num_steps, seed=0, names=NAMES):
    """(B, T) on grids (B, 7, 5)."""
    policy.begin(names, generators(seed, num_rows))
    return np.stack([policy.act(torch.zeros(num_rows, 7, 5)) for _ in range(num_steps)], 1)


def mixture_of(**weights):
    return MixturePolicy({name: Named(name) for name in weights}, weights)


def names_played(mixture, episodes):
    """Who plays each of so many episodes of one game."""
    rng = np.random.default_rng(0)
    for _ in range(episodes):
        mixture.begin(NAMES, [rng])
        yield mixture.name


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_the_seed_decides_the_actions(make):
    first, again, other = (actions(make(), 4, 30, seed) for seed in (1, 1, 2))
    assert first.shape == (4, 30)
    assert first.dtype == np.int64
    assert np.array_equal(first, again)
    assert (first != other).any(1).all()


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_a_row_does_not_depend_on_its_neighbours(make):
    together = actions(make(), 7, 30)
    assert np.array_equal(together[:3], actions(make(), 3, 30))
    assert len(np.unique(together, axis=0)) == 7


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_a_policy_begins_anew(make):
    policy = make()
    first = actions(policy, 3, 5)
    assert np.array_equal(actions(policy, 3, 5), first)


@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_every_action_of_the_game_is_played_and_no_other(make):
    assert all(set(row) == set(range(len(NAMES))) for row in actions(make(), 4, 500))


def test_random_actions_are_the_draws_of_the_generator_in_their_order():
    drawn = np.random.default_rng([0, 0])
    assert actions(RandomPolicy(), 1, 50)[0].tolist() == [drawn.integers(len(NAMES)) for _ in range(50)]


def test_held_random_draws_the_action_and_then_how_long_it_is_held():
    drawn, expected = np.random.default_rng([0, 0]), []
    while len(expected) < 50:
        action = int(drawn.integers(len(NAMES)))
        expected += [action] * int(drawn.integers(1, 9))
    assert actions(HeldRandomPolicy(8), 1, 50)[0].tolist() == expected[:50]


def test_held_random_holds_from_one_to_max_hold_steps():
    played = actions(HeldRandomPolicy(4), 1, 1000, names=range(10**9))[0]
    holds = [len(list(group)) for _, group in groupby(played.tolist())]
    assert set(holds[:-1]) == {1, 2, 3, 4}


def test_actions_that_were_given_away_do_not_change():
    policy = HeldRandomPolicy(1)
    policy.begin(NAMES, generators(0, 50))
    first = policy.act(np.zeros(50))
    kept = first.copy()
    policy.act(np.zeros(50))
    assert np.array_equal(first, kept)


def test_hold_below_one_step_is_refused():
    with pytest.raises(ValueError, match="max_hold=0"):
        HeldRandomPolicy(0)


def test_held_plays_its_action_for_ever():
    assert (actions(HeldPolicy("LEFT"), 3, 20) == 3).all()


def test_an_action_that_the_game_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"policy\.action='JUMP' is none of the game's actions: .*NOOP, UP") as error:
        actions(HeldPolicy("JUMP"), 1, 1)
    assert "\n" not in str(error.value)


def test_recorded_actions_are_repeated_from_the_first():
    recorded = np.random.default_rng(0).integers(9, size=(4, 6))
    policy = RecordedPolicy(recorded)
    for _ in range(2):
        assert np.array_equal(actions(policy, 4, 6), recorded)


def test_without_recorded_actions_there_is_nothing_to_repeat():
    with pytest.raises(ValueError, match=r"policy=recorded .* has none here") as error:
        actions(RecordedPolicy(), 1, 1)
    assert "\n" not in str(error.value)


def test_mixture_hands_each_row_to_the_policy_that_it_draws():
    played = actions(mixture_of(a=1.0, bb=1.0), 20, 3)
    assert set(played[:, 0]) == {1, 2}
    assert (played == played[:, :1]).all()


def test_mixture_names_who_plays():
    mixture = mixture_of(a=1.0, bb=1.0)
    for name in names_played(mixture, 10):
        assert mixture.act(np.zeros(1)) == len(name)
    actions(mixture, 20, 1)
    assert mixture.name == "a+bb"


def test_mixture_draws_by_relative_weight():
    share = list(names_played(mixture_of(rare=1.0, frequent=3.0), 1000)).count("frequent") / 1000
    assert share == pytest.approx(0.75, abs=0.05)


def test_mixture_never_plays_weight_zero():
    assert set(names_played(mixture_of(never=0.0, always=0.1), 200)) == {"always"}


@pytest.mark.parametrize("weights", [{"a": -1.0, "b": 2.0}, {"a": 0.0, "b": 0.0}, {"a": 1.0}, {"a": 1.0, "c": 1.0}, {}])
def test_mixture_refuses_bad_weights(weights):
    with pytest.raises(ValueError, match=r"policy\.weights"):
        MixturePolicy({"a": Named("a"), "b": Named("b")}, weights)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_rollout_has_no_emulator_to_plan_with(mixed):
    policy = LookaheadPolicy(**PLAN)
    if mixed:  # though it is never drawn
        policy = MixturePolicy({"plan": policy, "random": RandomPolicy()}, {"plan": 0.0, "random": 1.0})
    with pytest.raises(ValueError, match="policy=lookahead plans with the emulator, which a rollout has not") as error:
        actions(policy, 2, 1)
    assert "\n" not in str(error.value)
