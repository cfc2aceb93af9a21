import logging

import numpy as np
import pytest
import torch

from pacdream.planner.games import play_games
from pacdream.planner.judge import Judge
from pacdream.planner.policy import PlannerPolicy
from pacdream.planner.prospects import Objective, Prospects
from pacdream.planner.random_shooting import RandomShooting
from pacdream.policy.base import generators
from tests.counter_env import LENGTH, NUM_ACTIONS, make_counter_env
from tests.counter_tokenizer import CounterTokenizer
from tests.planner.line_world import LENGTH as LINE
from tests.planner.line_world import START, LineOutcome, LineWorld, dream, grid, walk
from tests.rollout.scripted import ScriptedWorldModel, stand_still

NAMES = ["STAY", "RIGHT", "LEFT"]


def line_policy(replan_every=3, **changes):
    parts = {
        "tokenizer": None, "model": LineWorld(), "foresight": dream(), "judge": Judge(LineOutcome(), 1000),
        "objective": Objective(1.0, 500.0), "search": RandomShooting(20, 9, 4), "replan_every": replan_every, **changes,
    }  # fmt: skip
    return PlannerPolicy(**parts)


def played(policy, starts, rngs, steps=12):
    """Places (B, steps) of players who act in lines of codes."""
    policy.begin(NAMES, rngs)
    codes, seen = grid(*starts), []
    for _ in range(steps):
        codes = walk(codes, torch.from_numpy(policy.act(codes)))
        seen.append(codes[:, 0].argmax(-1).tolist())
    return np.array(seen).T


@pytest.mark.parametrize("replan_every", [1, 3, 9])
def test_it_walks_to_the_points_and_stays(replan_every):
    places = played(line_policy(replan_every), [START], generators(0, 1))
    assert places[0, -3:].tolist() == [LINE - 1] * 3


def test_several_games_at_once_are_played_as_each_alone():
    starts = [START, 8, 3]
    together = played(line_policy(), starts, generators(5, 3))
    for i, start in enumerate(starts):
        assert (played(line_policy(), [start], [generators(5, 3)[i]])[0] == together[i]).all()


def test_it_looks_for_another_plan_only_every_so_many_steps():
    policy = line_policy(replan_every=4)
    played(policy, [START, START], generators(0, 2), steps=9)
    assert policy.steps_foretold == 3 * 2 * 20 * 9  # at steps 0, 4 and 8: two rows, 20 futures of 9 steps


class Watching:
    """Foretells nothing and keeps what it was asked about."""

    def __init__(self):
        self.asked = []

    def foretell(self, present, plans):
        self.asked.append(present)
        count = plans.shape[0] * plans.shape[1]
        return Prospects(torch.zeros(count, 2), torch.zeros(count, 2), torch.zeros(count))


def test_in_a_game_it_knows_where_it_stands_what_was_before_and_what_it_did():
    watching, outcome = Watching(), LineOutcome()
    outcome.before = 2
    model = ScriptedWorldModel(stand_still, codebook_size=64)
    model.grid_shape, model.num_actions = (2, 2), NUM_ACTIONS
    model.weight = torch.nn.Parameter(torch.zeros(1))
    policy = line_policy(1, tokenizer=CounterTokenizer(), model=model, foresight=watching, judge=Judge(outcome, 1000))
    result = play_games(make_counter_env, policy, [(0, 0), (1, 1)], max_steps=100)
    assert result.steps.tolist() == [LENGTH, LENGTH]
    assert result.scores.tolist() == [LENGTH * (LENGTH + 1) / 2] * 2
    assert len(watching.asked) == LENGTH
    for t, present in enumerate(watching.asked):
        # The counter tokenizer writes: previous step, step, previous last action + 1, last action + 1.
        for row in range(2):
            previous, now, _, last = present.state.codes[row].flatten().tolist()
            assert (previous, now) == (max(0, t - 1), t)
            assert present.codes[row, :, 0, 1].tolist() == [max(0, t - 2), max(0, t - 1)]
            assert last == (0 if t == 0 else present.last_actions[row] + 1)
            assert t == 0 or present.actions[row, -1] == present.last_actions[row]


def test_a_game_that_is_over_waits_for_the_others():
    lengths = iter([3, 6])
    result = play_games(lambda: make_counter_env(next(lengths)), _Zero(), [(0, 0), (1, 1)], max_steps=100)
    assert result.steps.tolist() == [3, 6]
    assert result.scores.tolist() == [6.0, 21.0]
    assert result.unfinished == 0
    assert play_games(make_counter_env, _Zero(), [(0, 0)], max_steps=5).unfinished == 1


def test_a_log_says_how_long_games_stand(caplog, monkeypatch):
    monkeypatch.setattr("pacdream.planner.games._TELL_EVERY", 2)
    lengths = iter([3, 6])
    with caplog.at_level(logging.INFO, "pacdream.planner.games"):
        play_games(lambda: make_counter_env(next(lengths)), _Zero(), [(0, 0), (1, 1)], max_steps=100)
    assert caplog.messages == [
        "step 2: 3 points in the mean, games that go on: 2",
        "game 0: 6 points in 3 steps",
        "step 4: 8 points in the mean, games that go on: 1",
        "game 1: 21 points in 6 steps",
    ]


class _Zero:
    name = "zero"

    def begin(self, action_names, rngs, games=None):
        self.rows = len(rngs)

    def act(self, observation):
        return np.zeros(self.rows, np.int64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replan_every": 0}, "replan_every=0 must lie between 1 and the horizon of a plan, 9"),
        ({"replan_every": 10}, "replan_every=10 must lie between"),
        (
            {"search": RandomShooting(4, 1, 1), "judge": Judge(LineOutcome(after=1), 9), "replan_every": 1},
            "must be at least 2",
        ),
    ],
)
def test_settings_that_leave_nothing_to_plan_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        line_policy(**changes)


def test_a_game_with_other_actions_is_refused():
    with pytest.raises(ValueError, match="the world model knows 3 actions, this game has 2"):
        line_policy().begin(["A", "B"], generators(0, 1))
