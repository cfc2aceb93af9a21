from itertools import groupby
from types import SimpleNamespace

import numpy as np
import pytest

from pacdream.game.atari import make_env
from pacdream.policy.held_random import HeldRandomPolicy
from pacdream.policy.lookahead import LookaheadPolicy
from pacdream.policy.mixture import MixturePolicy
from pacdream.policy.random import RandomPolicy

GAME = SimpleNamespace(num_actions=9)
PLAN = {"num_futures": 3, "horizon": 6, "max_hold": 3, "replan_every": 2, "death_cost": 500.0, "max_epsilon": 0.3}


class Named:
    """Plays the length of its name."""

    def __init__(self, name):
        self.name = name

    def reset(self, env, rng):
        pass

    def act(self, env):
        return len(self.name)


def actions(policy, seed, num_steps, env=GAME):
    policy.reset(env, np.random.default_rng(seed))
    return [policy.act(env) for _ in range(num_steps)]


def mixture_of(**weights):
    return MixturePolicy({name: Named(name) for name in weights}, weights)


def names_played(mixture, episodes):
    rng = np.random.default_rng(0)
    for _ in range(episodes):
        mixture.reset(GAME, rng)
        yield mixture.name


def after_intro(repeat_action_probability):
    """The game when Ms. Pac-Man has begun to move."""
    env = make_env("ALE/MsPacman-v5", 4, repeat_action_probability, "all4")
    env.reset(seed=1)
    for step in range(75):
        env.step(step // 8 % 9)
    return env


@pytest.mark.parametrize("make", [RandomPolicy, lambda: HeldRandomPolicy(8)])
def test_equal_generators_give_equal_actions(make):
    assert actions(make(), 1, 50) == actions(make(), 1, 50)


@pytest.mark.parametrize("make", [RandomPolicy, lambda: HeldRandomPolicy(8)])
def test_other_generators_give_other_actions(make):
    assert actions(make(), 1, 50) != actions(make(), 2, 50)


@pytest.mark.parametrize("make", [RandomPolicy, lambda: HeldRandomPolicy(2)])
def test_every_action_of_the_game_is_played_and_no_other(make):
    assert set(actions(make(), 0, 500)) == set(range(9))


def test_held_random_holds_from_one_to_max_hold_steps():
    many_actions = SimpleNamespace(num_actions=10**9)
    played = actions(HeldRandomPolicy(4), 0, 1000, many_actions)
    holds = [len(list(group)) for _, group in groupby(played)]
    assert set(holds[:-1]) == {1, 2, 3, 4}


def test_held_random_draws_anew_at_reset():
    policy = HeldRandomPolicy(8)
    first = actions(policy, 3, 5)
    assert actions(policy, 3, 5) == first


def test_hold_below_one_step_is_refused():
    with pytest.raises(ValueError, match="max_hold=0"):
        HeldRandomPolicy(0)


def test_mixture_hands_the_episode_to_the_policy_it_names():
    mixture = mixture_of(a=1.0, bb=1.0)
    for name in names_played(mixture, 10):
        assert mixture.act(GAME) == len(name)


def test_mixture_draws_by_relative_weight():
    share = list(names_played(mixture_of(rare=1.0, frequent=3.0), 1000)).count("frequent") / 1000
    assert share == pytest.approx(0.75, abs=0.05)


def test_mixture_never_plays_weight_zero():
    assert set(names_played(mixture_of(never=0.0, always=0.1), 200)) == {"always"}


@pytest.mark.parametrize("weights", [{"a": -1.0, "b": 2.0}, {"a": 0.0, "b": 0.0}, {"a": 1.0}, {"a": 1.0, "c": 1.0}, {}])
def test_mixture_refuses_bad_weights(weights):
    with pytest.raises(ValueError, match=r"policy\.weights"):
        MixturePolicy({"a": Named("a"), "b": Named("b")}, weights)


def test_lookahead_is_deterministic():
    first, second = (actions(LookaheadPolicy(**PLAN), 4, 12, after_intro(0.25)) for _ in range(2))
    assert first == second


def test_lookahead_leaves_the_emulator_and_its_random_stream_unchanged():
    env = after_intro(0.25)
    before, ram = env.ale.cloneState(include_rng=True), env.ale.getRAM()
    actions(LookaheadPolicy(**PLAN), 0, 6, env)
    assert env.ale.cloneState(include_rng=True) == before
    assert np.array_equal(env.ale.getRAM(), ram)


@pytest.mark.parametrize("repeat_action_probability", [0.0, 0.25])
def test_planning_does_not_change_the_future(repeat_action_probability):
    planned, unplanned = after_intro(repeat_action_probability), after_intro(repeat_action_probability)
    policy = LookaheadPolicy(**PLAN | {"replan_every": 1, "max_epsilon": 0.0})
    policy.reset(planned, np.random.default_rng(0))
    for action in np.random.default_rng(0).integers(9, size=30):
        policy.act(planned)
        assert np.array_equal(planned.step(action)[0], unplanned.step(action)[0])


OUT_OF_RANGE = (
    {"num_futures": 0},
    {"max_hold": 0},
    {"replan_every": 0},
    {"horizon": 1},
    {"max_epsilon": -0.1},
    {"max_epsilon": 2.0},
)


@pytest.mark.parametrize("change", OUT_OF_RANGE, ids=str)
def test_lookahead_refuses_parameters_out_of_range(change):
    with pytest.raises(ValueError, match="must be at least 1"):
        LookaheadPolicy(**PLAN | change)
