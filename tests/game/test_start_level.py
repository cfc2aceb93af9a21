import numpy as np
import pytest

from pacdream.game.atari import make_env
from pacdream.game.ms_pacman import LEVELS


def start(late_share, max_level, seed):
    env = make_env("ALE/MsPacman-v5", 4, 0.25, "all4", late_share, max_level)
    return env, *env.reset(seed=seed)


@pytest.mark.parametrize("seed", [1, 4])
def test_late_episode_begins_in_a_whole_later_maze_with_all_lives(seed):
    _, frame, info = start(1.0, 7, seed)
    assert info["start_level"] >= 2
    assert info["lives"] == 3
    assert info["ram"][LEVELS.maze] > 0
    assert info["ram"][LEVELS.dots_eaten] < 10
    assert frame.any()


def test_without_late_share_every_episode_begins_at_the_first_level():
    assert all(start(0.0, 7, seed)[2].get("start_level", 0) == 0 for seed in range(3))


def test_same_seed_begins_at_the_same_level_and_goes_on_alike():
    one, other = start(1.0, 3, 5), start(1.0, 3, 5)
    assert one[2]["start_level"] == other[2]["start_level"]
    for action in np.random.default_rng(0).integers(9, size=20):
        assert np.array_equal(one[0].step(int(action))[0], other[0].step(int(action))[0])


def test_other_games_ignore_start_levels():
    env = make_env("ALE/Breakout-v5", 4, 0.25, "all4", 1.0, 7)
    assert "start_level" not in env.reset(seed=0)[1]


@pytest.mark.parametrize(("late_share", "max_level"), [(1.5, 3), (0.5, 0)])
def test_options_out_of_range_are_refused(late_share, max_level):
    with pytest.raises(ValueError, match=r"late_share|max_level"):
        make_env("ALE/MsPacman-v5", 4, 0.25, "all4", late_share, max_level)
