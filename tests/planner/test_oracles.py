from dataclasses import replace

import numpy as np
import pytest
import torch

from pacdream.core.instantiate import build
from pacdream.planner.foresights import RankCorrelation
from pacdream.planner.judge import Judge
from pacdream.planner.oracles import EmulatorForesight, JudgedEmulator
from pacdream.planner.prospects import Present, Prospects, returns
from pacdream.rollout.step import RolloutState
from tests.conftest import compose_config
from tests.runs import untrained_outcome

INTRO = 70
RIGHT, LEFT = 2, 3


def make_env(sticky=0.0):
    config = compose_config("collect", []).env
    config.late_share, config.repeat_action_probability = 0.0, sticky
    return build(config)


@pytest.fixture
def game():
    env = make_env()
    env.reset(seed=0)
    for _ in range(INTRO):
        env.step(LEFT)
    return env


def standing(game, codes=None, frame=None):
    codes = torch.zeros(1, 7, 5, dtype=torch.int64) if codes is None else codes
    none = torch.zeros(1, 0, dtype=torch.int64)
    return Present(RolloutState(codes, ()), codes[:, None][:, :0], none, [game], frame, [LEFT])


def test_the_emulator_foretells_what_the_game_then_does_and_leaves_it_as_it_was(game):
    plans = torch.tensor([[[LEFT] * 12, [RIGHT] * 12]])
    before = game.ale.getRAM().copy()
    foretold = EmulatorForesight(make_env, seed=0).foretell(standing(game), plans)
    assert (game.ale.getRAM() == before).all()
    earned = [float(game.step(LEFT)[1]) for _ in range(12)]
    assert foretold.points[0].tolist() == earned
    assert sum(earned) > 0
    assert not foretold.dies.any()


def test_after_a_death_nothing_counts(game):
    """Whoever stands still is caught sooner or later."""
    foretold = EmulatorForesight(make_env, seed=0).foretell(standing(game), torch.zeros(1, 1, 400, dtype=torch.int64))
    assert foretold.dies.sum() == 1
    died = int(foretold.dies[0].argmax())
    assert not foretold.points[0, died + 1 :].any()


def test_a_ghost_s_touch_is_known_before_the_life_is_gone(game):
    """The game counts it as lost 19 or 20 steps later."""
    stand_still = torch.zeros(1, 1, 400, dtype=torch.int64)
    died = int(EmulatorForesight(make_env, seed=0).foretell(standing(game), stand_still).dies[0].argmax())
    caught, free = stand_still[..., : died - 5], stand_still[..., : died - 30]
    foresight = EmulatorForesight(make_env, seed=0, aftermath=20)
    assert [float(foresight.foretell(standing(game), plans).dies_soon) for plans in (caught, free)] == [1, 0]
    assert not foresight.foretell(standing(game), caught).dies.any()
    assert not EmulatorForesight(make_env, seed=0).foretell(standing(game), caught).dies_soon.any()


def test_the_judged_emulator_reads_the_frames_that_the_game_then_shows(game, latents):
    outcome = untrained_outcome(latents)
    plan = [RIGHT] * 5
    frame = game.ale.getScreen()
    oracle = JudgedEmulator(make_env, 0, latents.tokenizer, Judge(outcome, batch_size=4))
    frames = [frame, *(game.step(action)[0] for action in plan)]
    game.reset(seed=0)
    for _ in range(INTRO):
        game.step(LEFT)
    pairs = np.stack([frames[:-1], frames[1:]], 1)
    codes = latents.tokenizer.encode(torch.from_numpy(pairs))
    now = latents.tokenizer.encode(torch.from_numpy(np.stack([frame, frame])[None]))
    foretold = oracle.foretell(standing(game, now, torch.from_numpy(frame)[None]), torch.tensor([[plan]]))
    judged = outcome.judge(torch.cat([now, codes])[None], torch.tensor([plan]))
    assert torch.allclose(foretold.points, judged.expected, atol=1e-4)


def test_two_emulators_draw_sticky_frames_of_their_own(game):
    plans = torch.randint(9, (1, 12, 15))
    made = [EmulatorForesight(lambda: make_env(sticky=0.25), seed) for seed in (0, 1, 0)]
    one, other, same = (foresight.foretell(standing(game), plans).points for foresight in made)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_is_foretold_of_a_game_does_not_depend_on_the_others(game):
    plans = torch.randint(9, (1, 12, 15), generator=torch.Generator().manual_seed(0))
    another = make_env(sticky=0.25)
    another.reset(seed=1)
    alone, beside = (EmulatorForesight(lambda: make_env(sticky=0.25), seed=0) for _ in range(2))
    both = replace(standing(game), games=[another, game], last_actions=[LEFT, LEFT])
    told = beside.foretell(both, plans.repeat(2, 1, 1)).points[12:]
    assert torch.equal(told, alone.foretell(standing(game), plans).points)


class Told:
    """Foretells fixed returns."""

    def __init__(self, values):
        self.values = torch.tensor(values)

    def foretell(self, present, plans):
        return Prospects(self.values[:, None], torch.zeros(len(self.values), 1), torch.zeros(len(self.values)))


def test_rank_correlation_is_one_for_the_same_order_minus_one_for_the_opposite_and_nothing_without_differences():
    real, asked = Told([1.0, 2.0, 3.0]), {"same": Told([0.1, 5.0, 7.0]), "opposite": Told([3.0, 2.0, 1.0])}
    asked["undecided"] = Told([4.0, 4.0, 4.0])
    found = RankCorrelation(real, asked, plans=3, horizon=1, max_hold=1, seed=0)
    now = Present(RolloutState(torch.zeros(1, 1, 1), ()), torch.zeros(1, 0), torch.zeros(1, 0), None, None, [0])
    assert found.compare(now, num_actions=2) == 1
    assert found.means() == {"same": [1.0], "opposite": [-1.0], "undecided": [0.0]}
    never = RankCorrelation(Told([2.0, 2.0, 2.0]), asked, plans=3, horizon=1, max_hold=1, seed=0)
    assert never.compare(now, num_actions=2) == 0
    assert never.means()["same"] == []


def test_a_return_counts_what_is_earned_while_alive():
    prospects = Prospects(torch.tensor([[10.0, 10.0, 10.0]]), torch.tensor([[0.0, 0.5, 0.0]]), torch.zeros(1))
    assert returns(prospects).tolist() == [[10.0, 20.0, 25.0]]


def test_an_oracle_needs_a_game():
    with pytest.raises(ValueError, match="there is none in a dream"):
        EmulatorForesight(make_env, seed=0).foretell(
            Present(RolloutState(torch.zeros(1), ()), torch.zeros(1), torch.zeros(1), None, None, [0]),
            torch.zeros(1, 1, 1),
        )
