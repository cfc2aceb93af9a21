from types import SimpleNamespace

import numpy as np
import pytest

from pacdream.game.atari import make_env
from pacdream.policy.lookahead import LookaheadPolicy

PLAN = {"num_futures": 3, "horizon": 6, "max_hold": 3, "replan_every": 2, "death_cost": 500.0, "max_epsilon": 0.3}
NAMES = ("STAY", "GOOD", "BAD", "DIE", "RICH")
STAY, GOOD, BAD, DIE, RICH = range(5)


class Console:
    """Each action has its points: one for GOOD, less for BAD; DIE costs a life, and RICH pays well for it."""

    points = (0, 1, -1, 0, 300)

    def __init__(self):
        self.left = 3

    def restoreState(self, state):  # noqa: N802 - the emulator's own name
        self.left = state

    def cloneState(self, include_rng):  # noqa: N802
        return self.left

    def lives(self):
        return self.left

    def act(self, action):
        self.left -= action in (DIE, RICH)
        return self.points[action]


def toy_game():
    """A game (see ``Console``) of one emulator frame per step."""
    return SimpleNamespace(
        ale=Console(), new_emulator=Console, num_actions=len(NAMES), ale_actions=list(range(len(NAMES))), frameskip=1
    )


def played(seed, steps=60, **changes):
    """Actions in the toy game."""
    policy = LookaheadPolicy(**{**PLAN, "num_futures": 30, "horizon": 2, "max_hold": 1, "max_epsilon": 0.0, **changes})
    policy.begin(NAMES, [np.random.default_rng(seed)], [toy_game()])
    return np.array([int(policy.act(np.zeros(1))[0]) for _ in range(steps)])


def after_intro(repeat_action_probability):
    """The game when Ms. Pac-Man has begun to move."""
    env = make_env("ALE/MsPacman-v5", 4, repeat_action_probability, "all4")
    env.reset(seed=1)
    for step in range(75):
        env.step(step // 8 % 9)
    return env


def actions(seed, num_steps, env, **changes):
    policy = LookaheadPolicy(**PLAN | changes)
    policy.begin(env.action_names, [np.random.default_rng(seed)], [env])
    return [int(policy.act(np.zeros(1))[0]) for _ in range(num_steps)]


def test_it_goes_where_the_points_are():
    shares = np.bincount(np.concatenate([played(seed) for seed in range(5)]), minlength=5) / 300
    assert shares[GOOD] > 0.5  # one in five at random
    assert shares[BAD] < 0.1


@pytest.mark.parametrize(("death_cost", "dies"), [(0.0, True), (299.0, True), (500.0, False)])
def test_a_life_is_given_for_points_that_are_worth_more(death_cost, dies):
    lives_given = np.isin(played(0, death_cost=death_cost), (DIE, RICH))
    assert lives_given.any() == dies


def test_what_comes_after_a_death_does_not_count():
    """Otherwise a future that gives several lives would be worth several times the points."""
    policy = LookaheadPolicy(**PLAN | {"death_cost": 0.0})
    policy.begin(NAMES, [np.random.default_rng(0)], [toy_game()])
    (row,) = policy._rows
    values = [row._value(3, np.array(future)) for future in ([RICH, GOOD, RICH], [GOOD, RICH], [GOOD, GOOD], [DIE])]
    assert values == [300, 301, 2, 0]


def test_each_episode_errs_as_often_as_it_draws_up_to_the_largest_share():
    def bad(seed, **changes):
        return np.isin(played(seed, 300, **changes), (BAD, DIE)).mean()

    at_most = [bad(seed, max_epsilon=1.0) for seed in range(12)]
    assert max(at_most) > 0.25  # nearly always random, which is 0.4
    assert min(at_most) < 0.1
    assert max(bad(seed, max_epsilon=0.0) for seed in range(4)) < 0.06


def test_a_plan_is_followed_until_it_is_time_for_another(monkeypatch):
    policy, calls = LookaheadPolicy(**PLAN | {"replan_every": 3, "max_epsilon": 0.0}), []
    policy.begin(NAMES, [np.random.default_rng(0)], [toy_game()])
    (row,) = policy._rows
    plans = iter(np.arange(12).reshape(2, 6))
    monkeypatch.setattr(row, "_best_future", lambda: calls.append(1) or next(plans))
    assert [int(policy.act(np.zeros(1))[0]) for _ in range(6)] == [0, 1, 2, 6, 7, 8]
    assert len(calls) == 2


def test_the_rest_of_the_plan_is_one_of_the_futures():
    policy = LookaheadPolicy(**PLAN | {"num_futures": 1, "max_epsilon": 0.0})
    policy.begin(NAMES, [np.random.default_rng(0)], [toy_game()])
    plan = policy._rows[0]._plan.tolist()
    assert [int(policy.act(np.zeros(1))[0]) for _ in range(6)] == plan


def test_an_action_is_held_for_all_the_frames_of_a_step():
    policy, game = LookaheadPolicy(**PLAN), toy_game()
    game.frameskip = 4
    policy.begin(NAMES, [np.random.default_rng(0)], [game])
    assert policy._rows[0]._value(3, np.array([GOOD, GOOD, BAD])) == 4


def test_each_game_has_a_plan_of_its_own():
    policy = LookaheadPolicy(**PLAN | {"num_futures": 30, "horizon": 2, "max_epsilon": 1.0})
    policy.begin(NAMES, [np.random.default_rng(seed) for seed in (0, 1)], [toy_game(), toy_game()])
    together = np.stack([policy.act(np.zeros(2)) for _ in range(30)], 1)
    changes = {"max_hold": PLAN["max_hold"], "max_epsilon": 1.0}
    assert np.array_equal(together, [played(seed, 30, **changes) for seed in (0, 1)])


def test_it_is_deterministic():
    first, second = (actions(4, 12, after_intro(0.25)) for _ in range(2))
    assert first == second


def test_it_leaves_the_emulator_and_its_random_stream_unchanged():
    env = after_intro(0.25)
    before, ram = env.ale.cloneState(include_rng=True), env.ale.getRAM()
    actions(0, 6, env)
    assert env.ale.cloneState(include_rng=True) == before
    assert np.array_equal(env.ale.getRAM(), ram)


@pytest.mark.parametrize("repeat_action_probability", [0.0, 0.25])
def test_planning_does_not_change_the_future(repeat_action_probability):
    planned, unplanned = after_intro(repeat_action_probability), after_intro(repeat_action_probability)
    policy = LookaheadPolicy(**PLAN | {"replan_every": 1, "max_epsilon": 0.0})
    policy.begin(planned.action_names, [np.random.default_rng(0)], [planned])
    for action in np.random.default_rng(0).integers(9, size=30):
        policy.act(np.zeros(1))
        assert np.array_equal(planned.step(action)[0], unplanned.step(action)[0])


def test_in_the_real_game_it_earns_more_than_chance():
    def points(num_futures):
        env = after_intro(0.0)
        policy = LookaheadPolicy(**PLAN | {"num_futures": num_futures, "horizon": 12, "max_epsilon": 0.0})
        policy.begin(env.action_names, [np.random.default_rng(0)], [env])
        return sum(float(env.step(int(policy.act(np.zeros(1))[0]))[1]) for _ in range(60))

    assert points(8) > points(1)


OUT_OF_RANGE = (
    {"num_futures": 0},
    {"max_hold": 0},
    {"replan_every": 0},
    {"horizon": 1},
    {"max_epsilon": -0.1},
    {"max_epsilon": 2.0},
)


@pytest.mark.parametrize("change", OUT_OF_RANGE, ids=str)
def test_parameters_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match="must be at least 1"):
        LookaheadPolicy(**PLAN | change)
