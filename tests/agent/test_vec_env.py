import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.env_checker import check_env

from pacdream.agent.vec_env import SB3VecEnv
from pacdream.dream.env import DreamEnv
from pacdream.dream.vector_env import DreamVectorEnv
from tests.dream.test_dream_envs import LineView, line_dream, real_parts
from tests.planner.line_world import LEFT, LENGTH, RIGHT, START, TRAP


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("obs", ["codes", "frame"])
def test_stable_baselines_finds_nothing_wrong(latents, gru, obs):
    check_env(DreamEnv(*real_parts(latents, gru, 1, obs)))


def test_what_a_row_ended_with_is_told_and_the_next_dream_is_seen():
    env = SB3VecEnv(DreamVectorEnv(line_dream(2), LineView()))
    assert env.reset().argmax(1).tolist() == [START, START]
    for _ in range(START - TRAP):
        seen, _, done, infos = env.step(np.array([LEFT, RIGHT]))
    assert done.tolist() == [True, False]
    assert seen.argmax(1).tolist() == [START, START + START - TRAP]
    assert infos[0]["terminal_observation"].argmax() == TRAP
    assert not infos[0]["TimeLimit.truncated"]
    assert infos[1] == {}


def test_a_dream_that_was_cut_says_so():
    env = SB3VecEnv(DreamVectorEnv(line_dream(1, horizon=2), LineView()))
    env.reset()
    env.step(np.array([RIGHT]))
    _, _, done, infos = env.step(np.array([RIGHT]))
    assert done[0]
    assert infos[0]["TimeLimit.truncated"]


def test_codes_are_one_integer_each():
    env = SB3VecEnv(DreamVectorEnv(line_dream(2), LineView()))
    assert env.observation_space.shape == (LENGTH,)
    assert env.observation_space.dtype == np.int32


def test_rows_that_begin_anew_in_another_way_are_refused():
    import gymnasium

    with pytest.raises(ValueError, match="needs SAME_STEP"):
        SB3VecEnv(SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")]))
