from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from pacdream.dream.dream import Dream, Starts
from pacdream.dream.env import DreamEnv
from pacdream.dream.vector_env import DreamVectorEnv
from pacdream.dream.view import View
from pacdream.game.palette import ntsc_palette
from pacdream.outcome.network import OVER_WITHIN, OutcomeNetwork
from pacdream.rollout.sampler import Categorical, Greedy
from tests.planner.line_world import LEFT, LENGTH, RIGHT, START, STAY, TRAP, LineOutcome, LineWorld, grid


class LineView(View):
    """Shows the codes of a line; nothing decodes them."""

    def __init__(self):
        self.observation, self._rgb = "codes", ntsc_palette()
        self._tokenizer = type("T", (), {"grid_shape": (1, LENGTH), "codebook_size": 2})()


def line_dream(rows, horizon=50, after=0, sampler=None, ends="life", outcome=None):
    starts = Starts(grid(START, START), torch.zeros(2, dtype=torch.int64), torch.tensor([0]), 1)
    return Dream(LineWorld(), outcome or LineOutcome(after=after), starts, sampler or Greedy(), rows, horizon, ends)


def line_env(**changes):
    return DreamEnv(line_dream(1, **changes), LineView())


def real_parts(latents, gru, rows, obs="codes", horizon=6):
    facts = {"grid_shape": gru.grid_shape, "codebook_size": gru.codebook_size, "num_actions": gru.num_actions}
    outcome = OutcomeNetwork(
        **facts, points=[0, 10], base_rates=[0.9, 0.1], lost_rates=[0.2] * 4, over_rate=0.1, before=0, after=1,
        embedding_dim=4, width=8, num_blocks=1,
    ).eval()  # fmt: skip
    starts = Starts.of(latents, 4)
    dream = Dream(gru.eval(), outcome, starts, Categorical(1.0, None, 0), rows, horizon, "life")
    return dream, View(latents.tokenizer, ntsc_palette(), obs)


def walk(env, actions):
    return [env.step(np.int64(action)) for action in actions]


def test_a_step_earns_what_the_outcome_network_expects():
    env = line_env()
    env.reset(seed=0)
    rewards = [reward for _, reward, *_ in walk(env, [RIGHT] * 6)]
    assert rewards == pytest.approx([0, 0, 0, 0, 10, 10], abs=1e-4)


def test_rewards_come_as_late_as_the_outcome_network_sees_them_and_nothing_before_the_dream_counts():
    env = line_env(after=1)
    env.reset(seed=0)
    rewards = [reward for _, reward, *_ in walk(env, [RIGHT] * 7)]
    assert rewards == pytest.approx([0, 0, 0, 0, 0, 10, 10], abs=1e-4)


def test_before_a_context_that_is_shorter_than_what_is_judged_its_first_grid_stands():
    outcome = OutcomeNetwork((1, LENGTH), 2, 3, [0, 10], [0.9, 0.1], [0.1] * 4, 0.1, 3, 0, 4, 8, 1)
    starts = Starts(grid(START, START + 1), torch.tensor([RIGHT, RIGHT]), torch.tensor([0]), 2)
    dream = Dream(LineWorld(), outcome, starts, Greedy(), 1, 5, "life")
    dream.begin([0], [np.random.default_rng(0)])
    assert dream._codes[0].argmax(-1).flatten().tolist() == [START] * (outcome.grids - 1) + [START + 1]


def test_a_lost_life_terminates_and_the_horizon_truncates():
    env = line_env(horizon=5)
    env.reset(seed=0)
    died = walk(env, [LEFT] * (START - TRAP))
    assert [(step[2], step[3]) for step in died] == [(False, False)] * 2 + [(True, False)]
    assert died[-1][4]["lost"] == pytest.approx(1.0)
    env.reset()
    assert [(step[2], step[3]) for step in walk(env, [STAY] * 5)] == [(False, False)] * 4 + [(False, True)]


def test_a_game_ends_as_often_as_the_network_says():
    """It says at every step how likely the end is within four."""

    class Doubting(LineOutcome):
        def forward(self, codes, actions):
            logits = super().forward(codes, actions)
            return replace(logits, over=torch.full_like(logits.over, 0.2).logit())

    dream = line_dream(1, ends="game", outcome=Doubting())
    dream.begin([0], [np.random.default_rng(0)])
    survived = [1 - dream.step(np.array([STAY])).lost[0] for _ in range(OVER_WITHIN)]
    assert np.prod(survived) == pytest.approx(0.8, abs=1e-5)


def test_rows_of_the_vector_are_single_environments(latents, gru):
    """Codes, rewards, ends and starts of each row are those of an environment of its own with the same seed."""
    rows, steps = 4, 15
    vector = DreamVectorEnv(*real_parts(latents, gru, rows))
    singles = [DreamEnv(*real_parts(latents, gru, 1)) for _ in range(rows)]
    together, _ = vector.reset(seed=3)
    alone = [env.reset(seed=3 + i)[0] for i, env in enumerate(singles)]
    assert (together == np.stack(alone)).all()
    rng, ended = np.random.default_rng(0), 0
    for _ in range(steps):
        actions = rng.integers(9, size=rows)
        observations, rewards, terminated, truncated, info = vector.step(actions)
        for i, env in enumerate(singles):
            seen, reward, died, cut, _ = env.step(actions[i])
            assert (reward, died, cut) == (pytest.approx(rewards[i]), terminated[i], truncated[i])
            if died or cut:
                ended += 1
                assert (info["final_obs"][i] == seen).all()
                assert info["_final_obs"][i]
                assert info["_final_info"][i]
                assert info["lost"][i] == 0  # of the dream that has just begun
                seen, _ = env.reset()
            assert (observations[i] == seen).all()
    assert ended > rows


def test_only_the_rows_of_the_mask_begin_anew():
    vector = DreamVectorEnv(line_dream(3), LineView())
    vector.reset(seed=0)
    vector.step(np.array([RIGHT, RIGHT, RIGHT]))
    observations, _ = vector.reset(options={"reset_mask": np.array([False, True, False])})
    assert observations.argmax(1).tolist() == [START + 1, START, START + 1]
    assert vector.dream.age.tolist() == [1, 0, 1]


def test_a_vector_says_how_it_begins_anew():
    vector = DreamVectorEnv(line_dream(2), LineView())
    assert vector.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert vector.observation_space.shape == (2, LENGTH)


@pytest.mark.parametrize("obs", ["codes", "frame"])
@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes.*")
def test_gymnasium_finds_nothing_wrong(latents, gru, obs):
    check_env(DreamEnv(*real_parts(latents, gru, 1, obs), render_mode="rgb_array"))


def test_observations_share_no_memory(latents, gru):
    env = DreamEnv(*real_parts(latents, gru, 1))
    first, _ = env.reset(seed=0)
    kept = first.copy()
    second, *_ = env.step(np.int64(1))
    assert (first == kept).all()
    assert not np.shares_memory(first, second)


def test_the_picture_is_the_decoded_grid(latents, gru):
    env = DreamEnv(*real_parts(latents, gru, 1, "frame"), render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert observation.shape == (210, 160, 3)
    assert (env.render() == observation).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: walk(line_env(), [7]), "action 7 is none of 0 to 2"),
        (lambda: line_dream(1, horizon=0), "horizon=0 must be at least 1"),
        (lambda: DreamEnv(line_dream(1), LineView(), "human"), "render_mode='human' is unknown"),
        (lambda: View(None, None, "pixels"), "obs='pixels' is unknown: choose codes or frame"),
        (lambda: DreamVectorEnv(line_dream(2), LineView()).step(np.zeros(2, np.int64)), r"call reset\(\) before step"),
        (lambda: DreamVectorEnv(line_dream(2), LineView()).reset(seed=[1]), "1 seeds do not fit 2 environments"),
        (
            lambda: DreamVectorEnv(line_dream(2), LineView()).reset(options={"reset_mask": np.array([1, 0])}),
            "must be 2 booleans",
        ),
    ],
)
def test_mistakes_end_in_a_line_that_names_them(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_the_name_is_known_and_nobody_else_may_have_it():
    from pacdream import registration

    assert registration.ID in gym.registry
    registration.register()  # twice is no error
    spec = gym.registry.pop(registration.ID)
    gym.register(registration.ID, "somebody.else:Env")
    with pytest.raises(ValueError, match="registered already"):
        registration.register()
    gym.registry[registration.ID] = spec
